"""Rows as text, before any format: sections of lines, each with a note that says why.

Rows that cannot be held against the paper stand in a section of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.compare.numbers import number, p_value, width
from harness.compare.orderings import OrderingRow
from harness.compare.paired import PairedRow
from harness.compare.row import Row
from harness.compare.verdict import JUDGED, VerdictName

MARKS = {"better": "▲ better", "worse": "▼ worse"}  # equally loud, whichever way it went
TRAININGS = (
    "Trainings compared on the same test tasks: with fewer than three trained seeds a side nothing "
    "is said of the methods, another seed may turn the sign"
)
OVER_TASKS = "± 95 % over tasks, of these trainings"


def marked(verdict: str) -> str:
    """Return a verdict, with `(1 seed)` or without, as loud as it is shown."""
    name, more, rest = verdict.partition(" (")
    return f"{MARKS.get(name, name)}{more}{rest}"


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
    """Lay out rows as sections: compared with the paper, not comparable, without a published
    number, quoted for context."""
    header = ("variant", "metric", "paper", "here", "± tasks (n)", "± seeds (n)", "on", "verdict")
    parts: dict[str, tuple[VerdictName, ...]] = {
        "Compared with the paper (95 % intervals)": (*JUDGED, "not run"),
        "Not comparable with the paper": ("not comparable",),
        "Without a published number": ("no published number",),
        "Quoted for context": ("context",),
    }
    sections = []
    for title, verdicts in parts.items():
        lines = tuple(_line(r) for r in rows if r.verdict.name in verdicts)
        if lines:
            sections.append(Section(title, header, lines, left=2))
    return sections


def paired_sections(rows: Sequence[PairedRow]) -> list[Section]:
    """Lay out paired rows: differences of methods, and differences of a few trainings apart."""
    header = ("a", "b", "metric", "a - b", "± 95 %", "p", "tasks", "seeds", "compares", "on")
    title = "Variants compared on the same test tasks (p is not corrected for the number of pairs)"
    trainings = (*header[:4], OVER_TASKS, *header[6:])
    sections = []
    for tested, words, names in ((True, title, header), (False, TRAININGS, trainings)):
        lines = tuple(_pair(r) for r in rows if (r.p is not None) == tested)
        if lines:
            sections.append(Section(words, names, lines, left=3))
    return sections


def ordering_sections(rows: Sequence[OrderingRow]) -> list[Section]:
    """Lay out published orderings, which figures show without a number."""
    header = ("better", "worse", "metric", "better - worse", "± 95 %", "p", "seeds", "verdict")
    lines = tuple(_ordering(r) for r in rows)
    title = "Orderings that figures show (five seeds or more, paired by seed; no number is printed)"
    return [Section(title, header, lines, left=3)] if lines else []


def _ordering(r: OrderingRow) -> Line:
    return Line(
        f"{r.paper}/{r.cell}",
        (
            *(r.better, r.worse, r.metric, number(r.metric, r.difference, sign=True)),
            *(width(r.metric, r.interval), "" if r.p is None else p_value(r.p)),
            *(str(r.seeds) if r.seeds else "", r.verdict),
        ),
        f"{r.figure}, {r.source}" + (f": {r.reason}" if r.reason else ""),
    )


def of_pair(what: str, budget: str) -> str:
    """Return what a paired row compares, and its budget where that is not full."""
    return what if budget == "full" else f"{what}, budget {budget}"


def _pair(r: PairedRow) -> Line:
    interval = r.task_interval if r.interval is None else r.interval
    return Line(
        f"{r.paper}/{r.cell}",
        (
            *(r.a, r.b, r.metric, number(r.metric, r.difference, sign=True)),
            *(width(r.metric, interval), *([] if r.p is None else [p_value(r.p)]), str(r.tasks)),
            *(f"{len(r.seeds_a)}, {len(r.seeds_b)}", of_pair(r.compares, r.budget), r.device),
        ),
        r.note,
    )


def _line(r: Row) -> Line:
    # Where a published number was read, and how sure we are, is in `harness show` and in the JSON.
    context = r.line.note if r.line else ""
    note = {"not run": "", "context": context}.get(r.verdict.name, r.verdict.reason)
    return Line(
        f"{r.paper}/{r.cell}",
        (
            *(r.variant, r.metric, r.published_words, number(r.metric, r.measured.mean)),
            *intervals(r),
            *(r.runs.device, marked(r.verdict_words)),
        ),
        note,
    )


def intervals(r: Row) -> tuple[str, str]:
    """Return the intervals over tasks and over seeds, each with how many, or what stands there."""
    measured, seeds = r.measured, len(r.runs.seeds)
    tasks = (
        f"{width(r.metric, measured.task_interval)} ({measured.tasks})" if measured.tasks else ""
    )
    over = f"{width(r.metric, measured.seed_interval)} ({seeds})" if seeds > 1 else r.seeds_words
    return tasks.strip(), over.strip()
