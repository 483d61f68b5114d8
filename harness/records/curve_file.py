"""The learning curve beside a record, `curve.csv`, to bytes and back.

Numbers are written by `repr`, so that every float64 comes back as it was.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from harness.errors import HarnessError


class CurveRow(NamedTuple):
    """One point of a learning curve; None where nothing was measured."""

    iteration: int
    training_loss: float | None
    validation: float | None


def curve_csv(rows: Iterable[tuple[int, float | None, float | None]]) -> bytes:
    """Return `curve.csv` of (iteration, training loss, validation value) rows."""

    def text(value: float | None) -> str:
        return "" if value is None else repr(float(value))

    return _csv(CurveRow._fields, ([int(i), text(loss), text(v)] for i, loss, v in rows))


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
