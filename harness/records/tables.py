"""The two tables beside a record, `scores.csv` and `curve.csv`, to bytes and back.

Numbers are written by `repr`, so that every float64 comes back as it was.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from harness.errors import HarnessError


class CurveRow(NamedTuple):
    """One point of a learning curve; None where nothing was measured."""

    iteration: int
    training_loss: float | None
    validation: float | None


def scores_csv(scores: dict[str, np.ndarray]) -> bytes:
    """Give `scores.csv` of metric -> [tasks]: columns task, then the metrics in their order."""
    columns = [np.asarray(column, dtype=np.float64) for column in scores.values()]
    if not columns or any(c.ndim != 1 or len(c) != len(columns[0]) for c in columns):
        shapes = {name: np.shape(c) for name, c in scores.items()}
        raise HarnessError(f"found scores of shapes {shapes}, wanted one [tasks] for all metrics.")
    rows = zip(*(c.tolist() for c in columns), strict=True)
    return _csv(["task", *scores], ([i, *map(repr, row)] for i, row in enumerate(rows)))


def curve_csv(rows: Iterable[tuple[int, float | None, float | None]]) -> bytes:
    """Give `curve.csv` of (iteration, training loss, validation value) rows."""

    def text(value: float | None) -> str:
        return "" if value is None else repr(float(value))

    return _csv(CurveRow._fields, ([int(i), text(loss), text(v)] for i, loss, v in rows))


def parse_scores(data: bytes, where: str) -> dict[str, np.ndarray]:
    """Read `scores.csv`: metric -> [tasks] float64, tasks in order 0, 1, …"""
    header, *rows = _rows(data, where)
    if header[0] != "task" or len(header) < 2:
        raise HarnessError(f"{where}: found columns {','.join(header)}; wanted task,<metric>…")
    if [row[0] for row in rows] != [str(i) for i in range(len(rows))]:
        raise HarnessError(f"{where}: wanted tasks 0, 1, … in order.")
    try:
        values = [[float(x) for x in row[1:]] for row in rows]
    except ValueError as e:
        raise HarnessError(f"{where}: {e}; wanted a number in every column.") from None
    table = np.array(values).reshape(len(rows), len(header) - 1)
    return {name: table[:, i] for i, name in enumerate(header[1:])}


def parse_curve(data: bytes, where: str) -> list[CurveRow]:
    """Read `curve.csv`."""
    header, *rows = _rows(data, where)
    if tuple(header) != CurveRow._fields:
        raise HarnessError(
            f"{where}: found columns {','.join(header)}; wanted {','.join(CurveRow._fields)}."
        )
    try:
        return [
            CurveRow(int(i), *(float(x) if x else None for x in (loss, value)))
            for i, loss, value in rows
        ]
    except ValueError as e:
        raise HarnessError(f"{where}: {e}; wanted numbers.") from None


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def _rows(data: bytes, where: str) -> list[list[str]]:
    rows = list(csv.reader(io.StringIO(data.decode("utf-8", errors="replace"))))
    if not rows or not rows[0] or any(len(row) != len(rows[0]) for row in rows):
        raise HarnessError(f"{where}: wanted a header and rows of equal length.")
    return rows
