"""Kept weights and the switches they were trained under, to be tested again without training."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from harness.errors import HarnessError
from harness.records.schema import Record


def record_overrides(record: Record, published: dict[str, dict[str, object]]) -> dict[str, object]:
    """Give the switches of the record that differ from the cell's, as overrides."""
    return {
        f"{section}.{k}": value
        for section in ("tasks", "method", "training", "testing")
        for k, value in record.protocol[section].items()
        if published[section].get(k) != value
    }


def read_weights(path: Path, device: str) -> dict[str, Tensor]:
    """Read a safetensors file onto `device`; one sentence where it is none."""
    from safetensors.torch import load_file

    if not path.is_file():
        raise HarnessError(f"found no file {path}, wanted weights in safetensors form.")
    try:
        found: dict[str, Tensor] = load_file(path, device=device)
    except Exception as e:  # safetensors has its own error types for each kind of damage
        raise HarnessError(f"{path} is not a readable safetensors file: {e}.") from None
    return found


def check_shapes(
    path: Path, found: dict[str, Tensor], wanted: dict[str, Tensor], variant: str
) -> None:
    """Refuse weights of another method or size before anything is loaded in part."""
    for name in [*wanted, *found]:
        here, there = (tuple(w[name].shape) if name in w else None for w in (found, wanted))
        if here != there:
            raise HarnessError(
                f"{path}: found {_words(here)} under {name!r}, "
                f"wanted {_words(there)} for {variant}."
            )


def _words(shape: tuple[int, ...] | None) -> str:
    return "nothing" if shape is None else f"a tensor of shape {list(shape)}"
