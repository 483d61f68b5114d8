"""CSV tables that people write: numbers that papers print, switches of re-implementations.

Strict: a quote that is never closed would take the lines after it into one field, and a number that
only Python reads as one (`1_0`, Arabic digits) is a slip. A wrong line is named by its number.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.errors import HarnessError
from harness.shown import shown
from harness.text_file import read_text

MOST_LETTERS = 10_000  # of one field
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"\d{1,15}", re.ASCII)


def read_table(
    path: Path, columns: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield (`file:line`, field by column, without blanks around it) of each line.

    The header has `columns`, and after them all of `optional` or none; a line may end before the
    optional ones. Blank lines are left out.
    """
    rows = _rows(path)
    where, header = next(rows, (f"{path}:1", []))
    if header not in (list(columns), [*columns, *optional]):
        after = f", and after them {','.join(optional)} or nothing" if optional else ""
        raise HarnessError(
            f"{where}: found columns {_cut(','.join(header))}; wanted {','.join(columns)}{after}."
        )
    for where, row in rows:
        # Of the optional columns, all or none.
        if len(row) not in (len(header), len(columns)):
            raise HarnessError(
                f"{where}: found {len(row)} columns, wanted {len(header)} columns; quote text that "
                f"has commas."
            )
        yield where, {name: text.strip() for name, text in zip(header, row, strict=False)}


def read_number(text: str, where: str) -> float:
    """Read a finite number as papers print it; `where` names the field in messages."""
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(value):
        raise HarnessError(f"{where}: found {shown(text)}, wanted a number.")
    return value


def read_width(text: str, where: str) -> float:
    """Read a number of at least 0: the half-width of an interval, a margin."""
    value = read_number(text, where)
    if value < 0:
        raise HarnessError(f"{where}: found {shown(text)}, wanted a number of at least 0.")
    return value


def read_count(text: str, where: str) -> int:
    """Read a whole number of at least 1."""
    if not _WHOLE.fullmatch(text) or int(text) < 1:
        raise HarnessError(f"{where}: found {shown(text)}, wanted a whole number of at least 1.")
    return int(text)


def _rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield (`file:line`, fields) of each line that is not blank."""
    reader = csv.reader(io.StringIO(read_text(path, "a readable table"), newline=""), strict=True)
    first = 1
    while True:
        where = f"{path}:{first}"
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as e:
            raise HarnessError(
                f"{where}: {_in_csv(str(e))}; write each line whole, with quotes around text that "
                f'has commas and "" for a quote in it.'
            ) from None
        for text in row:
            if "\n" in text or "\r" in text:
                raise HarnessError(
                    f"{where}: found a field that goes on for {reader.line_num - first + 1} lines, "
                    f"from {_cut(text)}; close its quote in the line where it begins."
                )
            if len(text) > MOST_LETTERS:
                raise HarnessError(
                    f"{where}: found a field of {len(text)} letters, at most {MOST_LETTERS}."
                )
        first = reader.line_num + 1
        if row:
            yield where, row


def _in_csv(reason: str) -> str:
    if "unexpected end" in reason:
        return "found a quote that is never closed"
    if "field limit" in reason:
        return f"found a field longer than {MOST_LETTERS} letters, or a quote that is not closed"
    return f"found a quote in the wrong place ({reason})"


def _cut(text: str) -> str:
    plain = text.splitlines()[0] if text else "nothing"
    return plain if len(plain) <= 300 else f"{plain[:300]}…"
