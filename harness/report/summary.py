"""All papers on one page: how many numbers of each variant got which verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import get_args

from harness.compare.row import Row
from harness.compare.verdict import VerdictName
from harness.report.sheet import Line, Section, marked

_ORDER = {name: i for i, name in enumerate(get_args(VerdictName))}


def summary_sections(rows: Sequence[Row]) -> list[Section]:
    """Lay out a line for each cell, variant and budget that was run; the rest is only counted."""
    counts: dict[tuple[str, str, str], Counter[str]] = {}
    for r in rows:
        if r.runs.budget:
            key = (f"{r.paper}/{r.cell}", r.variant, r.runs.budget)
            counts.setdefault(key, Counter())[r.verdict_words] += 1
    lines = tuple(
        Line(cell, (variant, budget, _words(verdicts)))
        for (cell, variant, budget), verdicts in counts.items()
    )
    header = ("variant", "budget", "numbers by verdict")
    return [Section("What was run", header, lines, left=2)] if lines else []


def folded(rows: Sequence[Row]) -> tuple[list[Row], list[Section]]:
    """Take apart the rows that were run or quoted, and a line for each cell on what was not run."""
    cells: dict[str, list[Row]] = {}
    for r in rows:
        if r.verdict.name == "not run":
            cells.setdefault(f"{r.paper}/{r.cell}", []).append(r)
    lines = tuple(
        Line(cell, (str(len(own)), ", ".join(dict.fromkeys(r.variant for r in own))))
        for cell, own in cells.items()
    )
    header = ("published numbers", "of the variants")
    sections = [Section("Not run yet", header, lines, left=2)] if lines else []
    return [r for r in rows if r.verdict.name != "not run"], sections


def rest(rows: Sequence[Row], folder: str) -> Iterator[str]:
    """Return a Markdown list of the papers, each with a link below `folder` and what was not run of
    it."""
    for paper in dict.fromkeys(r.paper for r in rows):
        own = [r for r in rows if r.paper == paper]
        left = sum(r.verdict.name == "not run" for r in own)
        missing = f"; published numbers not run yet: {left}" if left else ""
        yield f"- [{paper}]({folder}{paper}/RESULTS.md): all rows{missing}"


def _words(verdicts: Counter[str]) -> str:
    # What rests on one training is counted apart, behind the same word of several seeds.
    ordered = sorted(verdicts, key=lambda name: (_ORDER[name.partition(" (")[0]], name))
    return ", ".join(f"{verdicts[name]} {marked(name)}" for name in ordered)
