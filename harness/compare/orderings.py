"""Published orderings: what a figure shows without a number, `published_orderings.csv` of a paper.

"This variant is better than that one" is tested on five trained seeds a side or more, paired by
seed on the same test tasks. The verdict stands apart from those on numbers:

    ordering reproduced    the 95 % interval of better - worse lies on the better side of 0
    ordering reversed      it lies on the other side
    ordering not decided   it has 0 inside, or there are too few seeds
    not comparable         shorter trainings than the paper's, whatever they show
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from harness.catalog import Cell
from harness.compare.groups import Group
from harness.compare.rows import Collection
from harness.compare.statistics import Estimate, paired_estimate
from harness.compare.trainings import untrained
from harness.errors import HarnessError, closest
from harness.metric import read_metric
from harness.published import CONFIDENCE
from harness.shown import shown
from harness.table_file import read_table

FILE = "published_orderings.csv"
COLUMNS = ("cell", "better", "worse", "metric", "figure", "source", "confidence", "note")
SEEDS = 5
"""Trained seeds a side that a verdict takes."""
Verdict = Literal[
    "ordering reproduced", "ordering reversed", "ordering not decided", "not comparable", "not run"
]


@dataclass(frozen=True)
class Ordering:
    """One published ordering of two variants of a cell."""

    paper: str
    cell: str
    better: str
    worse: str
    metric: str
    figure: str
    source: str
    confidence: str
    note: str


@dataclass(frozen=True)
class OrderingRow:
    """An ordering beside what was measured; `difference` is better - worse, in the unit of the
    metric, with its 95 % interval over tasks and seeds."""

    paper: str
    cell: str
    metric: str
    better: str
    worse: str
    figure: str
    source: str
    confidence: str
    difference: float | None
    interval: float | None
    p: float | None
    """Two-sided, against no difference."""
    seeds: int
    """Pairs of seeds; of an untrained side, the seeds of the other."""
    budget: str
    device: str
    verdict: Verdict
    reason: str


def read_orderings(folder: Path, cells: dict[str, Cell]) -> list[Ordering]:
    """Read a paper's orderings, none without such a file; a wrong line is one sentence."""
    path = folder / FILE
    if not path.is_file():
        return []
    orderings: dict[tuple[str, str, str, str], Ordering] = {}
    for where, row in read_table(path, COLUMNS):
        new = _ordering(row, folder.name, cells, where)
        sides = (new.better, new.worse)
        if any((new.cell, new.metric, *pair) in orderings for pair in (sides, sides[::-1])):
            raise HarnessError(
                f"{where}: found {new.better} and {new.worse} a second time for {new.metric}, "
                "wanted one line for the two."
            )
        orderings[(new.cell, new.metric, *sides)] = new
    return list(orderings.values())


def _ordering(text: dict[str, str], paper: str, cells: dict[str, Cell], where: str) -> Ordering:
    for needed in COLUMNS[:-1]:
        if not text[needed]:
            raise HarnessError(f"{where}: an ordering needs its {needed}; found it empty.")
    _one_of(text["cell"], tuple(cells), f"{where}: cell")
    _one_of(text["confidence"], CONFIDENCE, f"{where}: confidence")
    for side in ("better", "worse"):
        _one_of(text[side], tuple(cells[text["cell"]].variants), f"{where}: {side}")
    if text["better"] == text["worse"]:
        raise HarnessError(
            f"{where}: found {shown(text['better'])} on both sides, wanted two variants."
        )
    try:
        read_metric(text["metric"])
    except HarnessError as e:
        raise HarnessError(f"{where}: {e}") from None
    return Ordering(paper, **text)


def _one_of(word: str, known: tuple[str, ...], where: str) -> None:
    if word not in known:
        raise HarnessError(
            f"{where}: found {shown(word)}{closest(word, known)}; wanted one of {', '.join(known)}."
        )


def ordering_rows(collection: Collection) -> list[OrderingRow]:
    """Return each published ordering of the cells in `collection`, judged where it was run."""
    rows = []
    for folder in dict.fromkeys(cell.folder for cell in collection.cells):
        cells = {c.name: c for c in collection.cells if c.folder == folder}
        path = folder / FILE
        if path.is_file():
            own = [o for o in _of_paper(folder) if o.cell in cells]
            rows += [_judged(o, collection.groups) for o in own]
    return rows


def _of_paper(folder: Path) -> list[Ordering]:
    from harness.catalog import read_paper

    return read_orderings(folder, read_paper(folder).cells)


def _judged(o: Ordering, groups: list[Group]) -> OrderingRow:
    pairs = _pairs(o, groups)
    # The longest training first, and of these one with enough seeds.
    chosen = next((p for p in pairs if _seeds(*p) >= SEEDS), next(iter(pairs), None))
    said = (o.paper, o.cell, o.metric, o.better, o.worse, o.figure, o.source, o.confidence)
    if chosen is None:
        return OrderingRow(*said, None, None, None, 0, "", "", "not run", "")
    a, b = chosen
    seeds, estimate = _seeds(a, b), _estimate(a, b, o.metric)
    budget = b.budget if untrained(a) else a.budget
    verdict, reason = _verdict(o, estimate, seeds)
    if budget != "full":
        verdict, reason = "not comparable", f"budget {budget}, not full; there {reason}"
    return OrderingRow(
        *said,
        difference=estimate.value,
        interval=estimate.half_width() if seeds > 1 else None,
        p=estimate.p_zero() if seeds > 1 else None,
        seeds=seeds,
        budget=budget,
        device=a.device,
        verdict=verdict,
        reason=reason,
    )


def _pairs(o: Ordering, groups: list[Group]) -> list[tuple[Group, Group]]:
    """Return groups of both variants that can be held against each other."""
    own = [g for g in groups if (g.paper, g.cell) == (o.paper, o.cell) and _fair(g, o.metric)]
    return [
        (a, b)
        for a in own
        for b in own
        if (a.variant, b.variant) == (o.better, o.worse) and _alike(a, b)
    ]


def _fair(group: Group, metric: str) -> bool:
    return (
        not group.differences
        and not group.data_notes
        and len(group.finished) == len(group.runs) > 0
        and metric in group.metrics
        and bool(np.isfinite(group.scores(metric)).all())
    )


def _alike(a: Group, b: Group) -> bool:
    same_budget = a.budget == b.budget or untrained(a) or untrained(b)
    one, other = a.records[0], b.records[0]
    there = (one.data_digest, one.tasks_digest, a.device)
    return same_budget and there == (other.data_digest, other.tasks_digest, b.device)


def _by_seed(group: Group, seeds: list[int], metric: str) -> np.ndarray:
    if untrained(group):
        return np.repeat(group.scores(metric)[:1], len(seeds), axis=0)
    rows = {run.record.seed: run.scores[metric] for run in group.finished}
    return np.stack([rows[seed] for seed in seeds])


def _common(a: Group, b: Group) -> list[int]:
    sides = [{run.record.seed for run in g.finished} for g in (a, b) if not untrained(g)]
    return sorted(set.intersection(*sides)) if sides else [0]


def _seeds(a: Group, b: Group) -> int:
    return len(_common(a, b))


def _estimate(a: Group, b: Group, metric: str) -> Estimate:
    seeds = _common(a, b)
    x, y = (_by_seed(group, seeds, metric) for group in (a, b))
    # Equal seeds start alike and draw the same tasks: their differences are what chance leaves.
    return paired_estimate(x, y, same_trainings=True)


def _verdict(o: Ordering, estimate: Estimate, seeds: int) -> tuple[Verdict, str]:
    if seeds < SEEDS:
        return "ordering not decided", f"{seeds} of {SEEDS} seeds were run"
    low, high = estimate.interval()
    if not read_metric(o.metric).higher_is_better:
        low, high = -high, -low
    if low > 0:
        return "ordering reproduced", "the 95 % interval of better - worse lies on its side of 0"
    if high < 0:
        return "ordering reversed", "the 95 % interval of better - worse lies beyond 0"
    return "ordering not decided", "the 95 % interval of better - worse has 0 inside"
