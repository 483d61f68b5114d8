"""Paired comparison of a cell's variants, task by task, on the same test tasks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from harness.catalog import Cell
from harness.compare.caveats import heavy_tail
from harness.compare.groups import Group, same_trainings
from harness.compare.rows import Collection
from harness.compare.statistics import paired_estimate, paired_tasks
from harness.compare.trainings import compared, of_methods


@dataclass(frozen=True)
class PairedRow:
    """Mean difference of `metric` between two variants, a - b, in the unit of the metric."""

    paper: str
    cell: str
    metric: str
    a: str
    b: str
    difference: float
    compares: str
    """`methods`, `tests of the same weights`, or these trainings, e.g. `two trainings`, where a
    side has fewer than three trained seeds: nothing is then said of the methods."""
    interval: float | None
    """Half-width of the 95 % interval over tasks and seeds; None where trainings are compared."""
    task_interval: float
    """Half-width of the 95 % interval over test tasks alone, for these trainings."""
    p: float | None
    """Two-sided, against no difference; not corrected for the number of pairs. None where trainings
    are compared."""
    tasks: int
    seeds_a: list[int]
    seeds_b: list[int]
    budget: str
    device: str
    note: str
    """Warns where few tasks carry a mean."""


def paired_rows(collection: Collection) -> list[PairedRow]:
    """Compare every two variants of each cell that were tested on the same tasks.

    Only runs with the same budget, device kind, data and tasks are paired, each with the switches
    of its variant and on the data of its paper; runs that diverged or have a score that is not
    finite are left out.
    """
    return [row for cell in collection.cells for row in _cell_pairs(cell, collection.groups)]


def _cell_pairs(cell: Cell, groups: list[Group]) -> Iterator[PairedRow]:
    order = {name: i for i, name in enumerate(cell.variants)}
    own = [
        g
        for g in groups
        if (g.paper, g.cell) == (cell.paper, cell.name)
        and g.variant in order
        and not g.differences
        and not g.data_notes
        and len(g.finished) == len(g.runs)
    ]
    shown = {line.metric for line in cell.published}
    for a, b in combinations(sorted(own, key=lambda g: order[g.variant]), 2):
        if a.variant == b.variant or _setting(a) != _setting(b):
            continue
        both = [m for m in a.metrics if m in b.metrics]
        for metric in [m for m in both if m in shown] or both:
            x, y = a.scores(metric), b.scores(metric)
            if np.isfinite(x).all() and np.isfinite(y).all() and x.shape[1] > 1:
                yield _pair(a, b, metric, x, y)


def _setting(group: Group) -> tuple[str, ...]:
    r = group.records[0]
    return (group.budget, group.device, r.data_digest, r.tasks_digest)


def _pair(a: Group, b: Group, metric: str, x: np.ndarray, y: np.ndarray) -> PairedRow:
    estimate = paired_estimate(x, y, same_trainings(a, b))
    what = compared(a, b)
    warned = (*heavy_tail(metric, x, f"{a.variant}: "), *heavy_tail(metric, y, f"{b.variant}: "))
    return PairedRow(
        paper=a.paper,
        cell=a.cell,
        metric=metric,
        a=a.variant,
        b=b.variant,
        difference=estimate.value,
        compares=what,
        interval=estimate.half_width() if of_methods(what) else None,
        task_interval=paired_tasks(x, y).half_width(),
        p=estimate.p_zero() if of_methods(what) else None,
        tasks=x.shape[1],
        seeds_a=[r.seed for r in a.records],
        seeds_b=[r.seed for r in b.records],
        budget=a.budget,
        device=a.device,
        note="; ".join(warned),
    )
