"""The collector: published lines and records in, rows with verdicts out. Every table is made here.

There is a row for each published line and variant that answers to it, and for each variant that has
records and no published line. Runs that cannot be held against the line are rows too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.catalog import Cell, Paper, readable_papers
from harness.compare.groups import Group, group_records
from harness.compare.row import Row, empty_row, measured_row, unusable
from harness.compare.statistics import largest_share, mean_estimate
from harness.compare.verdict import Verdict, judge, margin
from harness.errors import HarnessError, closest
from harness.published import PublishedLine
from harness.records.store import find_records


@dataclass(frozen=True)
class Collection:
    """Cells, the groups of records that belong to them, and the rows made of both."""

    cells: list[Cell]
    groups: list[Group]
    rows: list[Row]
    left_out: tuple[str, ...] = ()
    """A sentence for each paper that does not read."""


def collect(
    results: Path,
    words: Iterable[str] = (),
    folder: Path | None = None,
    context: bool = False,
) -> Collection:
    """Collect rows for the cells in `words` (`paper` or `paper/cell`; none = all).

    `results` holds the records, `folder` the papers; `context` adds lines that no variant answers
    to. A paper that does not read is left out. Raises `HarnessError` for such a paper in `words`,
    for an unknown word and for a damaged record.
    """
    words = list(words)
    known, broken = readable_papers(folder)
    for word in words:
        if (wrong := broken.get(word.partition("/")[0])) is not None:
            raise wrong
    cells = select_cells(known, words)
    keys = {c.key for c in cells}
    records = [
        s
        for s in find_records(results)
        if f"{s.record.paper}/{s.record.cell}" in keys
        or (not words and s.record.paper not in broken)
    ]
    ran = {f"{s.record.paper}/{s.record.cell}/{s.record.variant}" for s in records}
    protocols = {
        f"{c.key}/{v}": c.written(v) for c in cells for v in c.variants if f"{c.key}/{v}" in ran
    }
    groups = group_records(records, protocols)
    printed = {p: {x.metric for c in known[p].cells.values() for x in c.published} for p in known}
    rows = [
        row
        for cell in cells
        for row in _cell_rows(cell, groups, results, context, printed[cell.paper])
    ]
    for group in groups:
        if f"{group.paper}/{group.cell}/{group.variant}" not in protocols:
            rows += _without_line(group, group.metrics, results, "not in today's paper.toml")
    left_out = tuple(f"paper {key} is left out: {e}" for key, e in broken.items())
    return Collection(cells, groups, rows, left_out)


def select_cells(found: dict[str, Paper], words: Iterable[str]) -> list[Cell]:
    """Give the cells named by `words`, each `paper` or `paper/cell`; all of them without words."""
    cells = {c.key: c for p in found.values() for c in p.cells.values()}
    chosen: dict[str, Cell] = {}
    for word in words:
        hits = {k: c for k, c in cells.items() if word in (k, c.paper)}
        if not hits:
            raise HarnessError(
                f"found no paper or cell {word!r}{closest(word, [*found, *cells])}; "
                f"run `harness list` for them."
            )
        chosen |= hits
    return list((chosen or cells).values())


def _cell_rows(
    cell: Cell, groups: list[Group], results: Path, context: bool, printed: set[str]
) -> Iterator[Row]:
    own = [g for g in groups if (g.paper, g.cell) == (cell.paper, cell.name)]
    for variant in cell.variants:
        answers = [g for g in own if g.variant == variant]
        for line in (x for x in cell.published if variant in x.variants):
            yield from (_judged(group, line, results) for group in answers)
            if not answers:
                yield empty_row(cell.paper, variant, line, Verdict("not run", "no record yet"))
    for line in cell.published:
        if not line.variants and context:
            yield empty_row(cell.paper, "", line, Verdict("context", "quoted for context"))
    answered = {v for line in cell.published for v in line.variants}
    shown = {line.metric for line in cell.published} or printed
    for group in own:
        if group.variant not in answered and group.variant in cell.variants:
            # A variant of ours is shown in the metrics that the cell prints, else in the paper's.
            metrics = [m for m in group.metrics if m in shown] or group.metrics
            yield from _without_line(group, metrics, results, "the paper prints no such number")


def _judged(group: Group, line: PublishedLine, results: Path) -> Row:
    obstacles = group.obstacles()
    scores = None
    if line.metric in group.metrics:
        scores = group.scores(line.metric)
    elif group.finished:
        obstacles.append(f"the runs give no {line.metric}, but {', '.join(group.metrics)}")
    obstacles += unusable(scores)
    if obstacles or scores is None:
        verdict = Verdict("not comparable", "; ".join(obstacles))
    else:
        room = margin(line.metric, line.value, line.interval, line.interval_kind)
        verdict = judge(line.metric, line.value, room, mean_estimate(scores))
        notes = [verdict.reason, *_caveats(group), *_heavy_tail(scores)]
        verdict = replace(verdict, reason="; ".join(notes))
    return measured_row(group, line.metric, scores, verdict, line, results)


def _caveats(group: Group) -> Iterator[str]:
    if len(group.runs) == 1:
        yield "one seed: uncertainty over test tasks only"
    if len(group.runs) == 2:
        yield "two seeds: the interval may be too narrow, three or more are safer"
    measured = [r.measurement for r in group.records]
    trained = any(s.get("clean") is False for m in measured for s in m.get("sessions") or [])
    tested = any((m.get("tested") or {}).get("clean") is False for m in measured)
    if trained or tested:
        what = "run" if trained else "tested"
        yield f"{what} from a working tree with changes that are in no commit"
    yield from sorted({r.data_caveat for r in group.records if r.data_caveat})


def _heavy_tail(scores: np.ndarray) -> Iterator[str]:
    """Warn where a few tasks carry the mean, as when adaptation diverges on them."""
    share, tasks = largest_share(scores), scores.shape[1]
    if tasks >= 100 and share > 0.1:
        yield f"one of {tasks} test tasks holds {share:.0%} of the mean: it diverged there"


def _without_line(group: Group, metrics: list[str], results: Path, why: str) -> Iterator[Row]:
    for metric in metrics or [""]:
        scores = group.scores(metric) if metric else None
        reason = "; ".join([why, *group.obstacles(), *unusable(scores)])
        verdict = Verdict("not comparable", reason)
        yield measured_row(group, metric, scores, verdict, None, results)
