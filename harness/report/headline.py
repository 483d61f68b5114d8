"""Few rows that stand for many: one a system on the front page, ten on the page of a paper.

Which number stands for a variant does not depend on how it came out: it is the first that the paper
prints of it, at the longest training that was run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.catalog import Paper
from harness.compare.numbers import number, width
from harness.compare.row import Row
from harness.report.sheet import Line, Section, marked
from harness.run.budget import share

MOST = 10
_HEADER = ("paper", "here", "± tasks", "seeds", "budget", "verdict")


def front_sections(rows: Sequence[Row], papers: Mapping[str, Paper]) -> list[Section]:
    """Return a line for each system that a paper names in `[paper.headline]`, run or not."""
    header = ("setting", "metric", *_HEADER)
    lines = []
    for key, paper in papers.items():
        for system, place in paper.headline.items():
            cell, _, variant = place.partition("/")
            own = [r for r in rows if (r.paper, r.cell, r.variant) == (key, cell, variant)]
            row = _first(own)
            metric = "" if row is None else row.metric
            lines.append(Line(system, (f"{key}/{cell}", metric, *_numbers(row))))
    return [Section("One number a system", header, tuple(lines), left=2, of="system")]


def paper_sections(rows: Sequence[Row], most: int = MOST) -> list[Section]:
    """Return the headline of one paper: at most `most` of its variants that were run, those at full
    length first."""
    header = ("variant", "metric", *_HEADER)
    by_variant: dict[tuple[str, str], list[Row]] = {}
    for r in rows:
        by_variant.setdefault((r.cell, r.variant), []).append(r)
    firsts = [_first(own) for own in by_variant.values()]
    ran = [r for r in firsts if r is not None and r.measured.mean is not None]
    chosen = sorted(ran, key=lambda r: (r.line is None, r.runs.budget != "full"))[:most]
    kept = [r for r in ran if r in chosen]
    lines = tuple(Line(r.cell, (r.variant, r.metric, *_numbers(r))) for r in kept)
    return [Section("Headline", header, lines, left=2)] if lines else []


def _first(rows: Sequence[Row]) -> Row | None:
    """Return the row of the first printed number, at the longest training with the published
    switches; of the first metric where the paper prints none; None without rows."""
    first = next((r for r in rows if r.line is not None), next(iter(rows), None))
    if first is None:
        return None

    def length(r: Row) -> tuple[bool, float]:
        budget = share(r.runs.budget) if r.runs.budget else -1.0
        return not r.runs.protocol_differences, budget

    return max((r for r in rows if _printed(r) == _printed(first)), key=length)


def _printed(row: Row) -> tuple[str, float | None, str]:
    line = row.line
    return row.metric, line.value if line else None, line.source if line else ""


def _numbers(row: Row | None) -> tuple[str, ...]:
    if row is None:
        return ("", "", "", "", "", "no published number")
    seeds, measured = len(row.runs.seeds), row.measured
    return (
        row.published_words,
        *(number(row.metric, measured.mean), width(row.metric, measured.task_interval)),
        *(row.seeds_words or (str(seeds) if seeds else ""), row.runs.budget),
        marked(row.verdict_words),
    )
