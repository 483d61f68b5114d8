"""Per-task scores beside a record: `scores.safetensors`, metric -> [tasks].

Scores are computed in float32 and stored so where that loses nothing, else in float64: a tenth of
what they would take as text.
"""

from __future__ import annotations

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from harness.errors import HarnessError

SCORES = "scores.safetensors"


def scores_bytes(scores: dict[str, np.ndarray]) -> bytes:
    """Return the file of metric -> [tasks]; every number comes back as it was."""
    # Contiguous: safetensors writes the memory behind an array, strides or not.
    columns = {n: np.ascontiguousarray(c, dtype=np.float64) for n, c in scores.items()}
    lengths = {column.shape for column in columns.values()}
    if len(lengths) != 1 or len(next(iter(lengths))) != 1:
        shapes = {name: np.shape(c) for name, c in scores.items()}
        raise HarnessError(f"found scores of shapes {shapes}, wanted one [tasks] for all metrics.")
    content: bytes = save({name: _small(column) for name, column in columns.items()})
    return content


def parse_scores(data: bytes, where: str) -> dict[str, np.ndarray]:
    """Read the file: metric -> [tasks] float64."""
    try:
        columns = load(data)
    except SafetensorError as e:
        raise HarnessError(f"{where}: not a readable safetensors file: {e}.") from None
    if not columns or any(c.ndim != 1 for c in columns.values()):
        raise HarnessError(f"{where}: wanted one column of scores for each metric.")
    return {name: column.astype(np.float64) for name, column in columns.items()}


def _small(column: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        small = column.astype(np.float32)
    exact = np.array_equal(small.astype(np.float64), column, equal_nan=True)
    return small if exact else column
