"""The collector: published lines and records in, rows with verdicts out. Every table is made here.

There is a row for each published line and variant that answers to it, and for each variant that has
records and no published line. Runs that cannot be held against the line are rows too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.catalog import Cell, Paper, readable_papers
from harness.compare.caveats import caveats, heavy_tail, seed_spread, spread_words
from harness.compare.groups import Group, group_records
from harness.compare.margin import margin
from harness.compare.row import Row, empty_row, measured_row, printed, unusable
from harness.compare.row_tasks import RowTasks, command, group_tasks, unmeasured_tasks
from harness.compare.statistics import mean_estimate
from harness.compare.verdict import Verdict, judge
from harness.errors import HarnessError, closest
from harness.published import PublishedLine
from harness.records.store import find_records


@dataclass(frozen=True)
class Collection:
    """Cells, the groups of records that belong to them, and the rows made of both."""

    papers: dict[str, Paper]
    """All papers that read, whichever were asked for."""
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
        for s in find_records(results, {c.paper for c in cells} if words else ())
        if f"{s.record.paper}/{s.record.cell}" in keys
        or (not words and s.record.paper not in broken)
    ]
    ran = {f"{s.record.paper}/{s.record.cell}/{s.record.variant}" for s in records}
    protocols = {
        f"{c.key}/{v}": c.recorded(v) for c in cells for v in c.variants if f"{c.key}/{v}" in ran
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
            why = "not in today's paper.toml"
            rows += _without_line(group, group.metrics, groups, results, why)
    rows = _described(rows, groups, known, results)
    left_out = tuple(f"paper {key} is left out: {e}" for key, e in broken.items())
    return Collection(known, cells, groups, rows, left_out)


def _described(
    rows: Iterable[Row], groups: list[Group], known: Mapping[str, Paper], results: Path
) -> list[Row]:
    """Return rows with what their tasks are, and with the command of their runs."""
    by_records = {group.folders(results): group for group in groups}
    described = []
    for row in rows:
        group, paper = by_records.get(row.runs.records), known.get(row.paper)
        cell = paper.cells.get(row.cell) if paper else None
        if group is not None:
            tasks = group_tasks(group, paper)
        else:
            tasks = unmeasured_tasks(cell, row.variant, row.line) if cell else RowTasks()
        where = (row.paper, row.cell, row.variant)
        described.append(replace(row, tasks=tasks, command=command(where, group)))
    return described


def select_cells(known: dict[str, Paper], words: Iterable[str]) -> list[Cell]:
    """Return the cells named by `words`, each `paper` or `paper/cell`; all of them without
    words."""
    cells = {c.key: c for p in known.values() for c in p.cells.values()}
    chosen: dict[str, Cell] = {}
    for word in words:
        hits = {k: c for k, c in cells.items() if word in (k, c.paper)}
        if not hits:
            raise HarnessError(
                f"found no paper or cell {word!r}{closest(word, [*known, *cells])}; "
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
            yield from (_judged(group, line, own, results) for group in answers)
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
            why = "the paper prints no such number"
            yield from _without_line(group, metrics, own, results, why)


def _judged(group: Group, line: PublishedLine, own: list[Group], results: Path) -> Row:
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
        verdict = judge(line.metric, margin(printed(line)), mean_estimate(scores))
        verdict = _with(verdict, caveats(group))
    return _noted(group, line.metric, scores, verdict, line, own, results)


def _without_line(
    group: Group, metrics: list[str], own: list[Group], results: Path, why: str
) -> Iterator[Row]:
    for metric in metrics or [""]:
        scores = group.scores(metric) if metric else None
        reason = "; ".join([why, *group.obstacles(), *unusable(scores)])
        verdict = Verdict("no published number", reason)
        yield _noted(group, metric, scores, verdict, None, own, results)


def _noted(
    group: Group,
    metric: str,
    scores: np.ndarray | None,
    verdict: Verdict,
    line: PublishedLine | None,
    own: list[Group],
    results: Path,
) -> Row:
    """Return the row, with what every row says, judged or not: another seed, a mean of few
    tasks."""
    spread = seed_spread(group, metric, own)
    verdict = _with(verdict, spread_words(metric, spread))
    if scores is not None:
        verdict = _with(verdict, heavy_tail(metric, scores))
    return measured_row(group, metric, scores, verdict, line, spread, results)


def _with(verdict: Verdict, notes: Iterable[str]) -> Verdict:
    return replace(verdict, reason="; ".join([verdict.reason, *notes]))
