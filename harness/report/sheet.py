"""Rows as text, before any format: sections of lines, each with a note that says why.

Rows that cannot be held against the paper stand in a section of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.compare.numbers import number, p_value, published, width
from harness.compare.paired import PairedRow
from harness.compare.row import Row

MARKS = {"above": "▲ above", "below": "▼ below"}  # equally loud, whichever way it went


@dataclass(frozen=True)
class Line:
    """One line: the cell it belongs to (`paper/cell`), its text by column, and a note."""

    cell: str
    columns: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True)
class Section:
    """Lines under one title; `left` counts the leading columns that are words, not numbers."""

    title: str
    header: tuple[str, ...]
    lines: tuple[Line, ...]
    left: int
    of: str = "cell"
    """What `Line.cell` holds."""


def row_sections(rows: Sequence[Row]) -> list[Section]:
    """Lay out rows as sections: compared with the paper, not comparable, quoted for context."""
    header = ("variant", "metric", "paper", "here", "± tasks (n)", "± seeds (n)", "on", "verdict")
    parts = {
        "Compared with the paper (95 % intervals)": ("not comparable", "context", False),
        "Not comparable with the paper": ("not comparable", "", True),
        "Quoted for context": ("context", "", True),
    }
    sections = []
    for title, (one, other, inside) in parts.items():
        lines = tuple(_line(r) for r in rows if (r.verdict in (one, other)) == inside)
        if lines:
            sections.append(Section(title, header, lines, left=2))
    return sections


def paired_sections(rows: Sequence[PairedRow]) -> list[Section]:
    """Lay out paired rows as one section."""
    header = ("a", "b", "metric", "a - b", "± 95 %", "p", "tasks", "seeds", "budget", "on")
    lines = tuple(
        Line(
            f"{r.paper}/{r.cell}",
            (
                *(r.a, r.b, r.metric, number(r.metric, r.difference, sign=True)),
                *(width(r.metric, r.interval), p_value(r.p), str(r.tasks)),
                *(f"{len(r.seeds_a)}, {len(r.seeds_b)}", r.budget, r.device),
            ),
        )
        for r in rows
    )
    title = "Variants compared on the same test tasks (p is not corrected for the number of pairs)"
    return [Section(title, header, lines, left=3)] if lines else []


def _line(r: Row) -> Line:
    tasks = f"{width(r.metric, r.task_interval)} ({r.tasks})" if r.tasks else ""
    few = "one seed" if len(r.seeds) == 1 else ""
    seeds = f"{width(r.metric, r.seed_interval)} ({len(r.seeds)})" if len(r.seeds) > 1 else few
    # Where a published number was read, and how sure we are, is in `harness show` and in the JSON.
    note = {"not run": "", "context": r.note}.get(r.verdict, r.reason)
    return Line(
        f"{r.paper}/{r.cell}",
        (
            *(r.variant, r.metric, published(r.metric, r.published, r.published_interval)),
            *(number(r.metric, r.measured), tasks.strip(), seeds.strip(), r.device),
            MARKS.get(r.verdict, r.verdict),
        ),
        note,
    )
