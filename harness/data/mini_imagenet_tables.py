"""Reads `train.csv`, `val.csv` and `test.csv` of mini-ImageNet: which image is of which class.

Ravi and Larochelle's have the columns filename and label. Copies have others, or no header, or an
index in front; which column is which is plain from what it holds, so it is read from that.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from harness.data.color_classes import PARTS
from harness.data.entries import is_plain, read_plain, some
from harness.errors import HarnessError

MOST_BYTES = 20_000_000
"""Of one table; that of the training classes has 1.2 million."""
_CLASS = re.compile(r"n\d{8}")
_FILE = re.compile(r".+\.(jpe?g|png)", re.IGNORECASE)


def read_tables(folder: Path) -> Iterator[tuple[str, Path, list[tuple[str, str]]]]:
    """Yield (split, table, its (file name, class) pairs) for each of the three tables.

    Raises HarnessError for a table that is missing or where two such columns are not plain.
    """
    tables = {split: folder / f"{split}.csv" for split in PARTS}
    wanted = f"wanted {', '.join(t.name for t in tables.values())} with columns filename and label"
    for split, table in tables.items():
        if not is_plain(table):
            here = some(p.name for p in folder.glob("*.csv"))
            raise HarnessError(
                f"{table} is not there (found {here}); {wanted} beside {folder / 'images'}."
            )
        try:
            text = read_plain(table, MOST_BYTES).decode("utf-8-sig")
            rows = [[x.strip() for x in row] for row in csv.reader(text.splitlines()) if row]
        except (UnicodeDecodeError, csv.Error) as e:
            raise HarnessError(f"{table} cannot be read ({e}); {wanted}.") from e
        pairs = _pairs(rows)
        if pairs is None:
            first = ",".join(rows[0])[:80] if rows else "nothing"
            raise HarnessError(
                f"{table} cannot be read: its first line is {first!r}; {wanted}, such as "
                "n0153282900000005.jpg,n01532829."
            )
        yield split, table, pairs


def _pairs(rows: list[list[str]]) -> list[tuple[str, str]] | None:
    """Return (file name, class) of every row but a header; None where no columns are these."""
    if rows and not any(_CLASS.fullmatch(x) for x in rows[0]):
        rows = rows[1:]  # the header
    if not rows or len({len(row) for row in rows}) != 1:
        return None
    columns = range(len(rows[0]))
    files = [i for i in columns if all(_FILE.fullmatch(row[i]) for row in rows)]
    labels = [i for i in columns if all(_CLASS.fullmatch(row[i]) for row in rows)]
    if len(files) != 1 or len(labels) != 1:
        return None
    return [(row[files[0]], row[labels[0]]) for row in rows]
