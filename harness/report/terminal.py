"""Sections as aligned text for a terminal of 120 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from harness.report.plain_text import one_line
from harness.report.sheet import Line, Section

WIDTH = 120


def render_table(sections: Sequence[Section]) -> str:
    """Return aligned text: a heading for each cell, a line for each row, its note under it."""
    return "\n".join("\n".join(_section(s)) for s in sections) or "no rows\n"


def _section(section: Section) -> Iterable[str]:
    table = [section.header, *(line.columns for line in section.lines)]
    widths = [max(len(one_line(row[i])) for row in table) for i in range(len(section.header))]

    def aligned(row: Sequence[str]) -> str:
        row = [one_line(text) for text in row]
        # Words to the left, numbers to the right, and the last column (a word) to the left again.
        last = len(row) - 1
        parts = [
            text.ljust(w) if i < section.left or i == last else text.rjust(w)
            for i, (text, w) in enumerate(zip(row, widths, strict=True))
        ]
        return ("  " + "  ".join(parts)).rstrip()

    yield one_line(section.title)
    yield aligned(section.header)
    cell = ""
    for line in section.lines:
        if line.cell != cell:
            cell = line.cell
            yield one_line(cell)
        yield aligned(line.columns)
        yield from _note(line)
    yield ""


def _note(line: Line) -> list[str]:
    indent = " " * 6
    return textwrap.wrap(line.note, WIDTH, initial_indent=indent, subsequent_indent=indent)
