"""Paired differences between methods of all papers that met the same test tasks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from harness.compare.across import group_setting, shown_metric
from harness.compare.groups import Group, same_trainings
from harness.compare.holm import holm
from harness.compare.rows import Collection
from harness.compare.setting import Setting
from harness.compare.statistics import Estimate, paired_estimate, paired_tasks
from harness.compare.trainings import compared, of_methods
from harness.stated import NOT_STATED


@dataclass(frozen=True)
class AcrossPair:
    """Mean difference a - b in percentage points or the unit of the metric; all pairs of a setting
    and budget that have a p-value are one family of comparisons."""

    setting: Setting
    budget: str
    a: str
    """`paper/variant`."""
    b: str
    metric_a: str
    metric_b: str
    difference: float
    compares: str
    """As in `PairedRow`: only where it is of methods, or of tests of the same weights, there are
    p-values and an interval of that."""
    interval: float | None
    """Half-width at level 1 - 0.05 / comparisons: a family holds as a whole in 95 % of cases."""
    task_interval: float
    """Half-width of the 95 % interval over test tasks alone, for these trainings; not widened for
    the number of comparisons."""
    p: float | None
    """Two-sided, against no difference, not corrected."""
    p_holm: float | None
    """Corrected for the number of comparisons."""
    comparisons: int
    """Pairs of this setting and budget that have a p-value."""
    tasks: int
    seeds_a: list[int]
    seeds_b: list[int]


def across_pairs(collection: Collection) -> list[AcrossPair]:
    """Compare every two methods on the same test tasks, where the budgets' names are equal.

    Left out: bounds, which are no methods; methods that do not say whether they are transductive;
    runs with other switches than the published ones, diverged runs, scores that are not finite.
    """
    families: dict[tuple[Setting, str], list[tuple[Group, Group]]] = {}
    for a, b in combinations([g for g in collection.groups if _usable(collection, g)], 2):
        here = group_setting(collection, a)
        if here is None or here.inference == NOT_STATED:
            continue
        if here == group_setting(collection, b) and _same(a, b):
            families.setdefault((here, a.budget), []).append((a, b))
    return [
        pair
        for (here, budget), pairs in sorted(families.items(), key=lambda item: item[0])
        for pair in _family(collection, here, budget, pairs)
    ]


def _family(
    collection: Collection, here: Setting, budget: str, pairs: list[tuple[Group, Group]]
) -> list[AcrossPair]:
    made = [_pair(collection, here, budget, a, b) for a, b in pairs]
    tested = [estimate.p_zero() for pair, estimate in made if of_methods(pair.compares)]
    adjusted = iter(holm(tested))
    return [
        replace(
            pair,
            interval=estimate.half_width(1 - 0.05 / len(tested)),
            p=estimate.p_zero(),
            p_holm=next(adjusted),
            comparisons=len(tested),
        )
        if of_methods(pair.compares)
        else pair
        for pair, estimate in made
    ]


def _pair(
    collection: Collection, here: Setting, budget: str, a: Group, b: Group
) -> tuple[AcrossPair, Estimate]:
    """Return the pair without tests, and the estimate that they are made of."""
    metrics = [shown_metric(collection, g) for g in (a, b)]
    x, y = (g.scores(metric) for g, metric in zip((a, b), metrics, strict=True))
    estimate = paired_estimate(x, y, same_trainings(a, b))
    pair = AcrossPair(
        setting=here,
        budget=budget,
        a=f"{a.paper}/{a.variant}",
        b=f"{b.paper}/{b.variant}",
        metric_a=metrics[0],
        metric_b=metrics[1],
        difference=estimate.value,
        compares=compared(a, b),
        interval=None,
        task_interval=paired_tasks(x, y).half_width(),
        p=None,
        p_holm=None,
        comparisons=0,
        tasks=x.shape[1],
        seeds_a=[r.seed for r in a.records],
        seeds_b=[r.seed for r in b.records],
    )
    return pair, estimate


def _usable(collection: Collection, group: Group) -> bool:
    if group.differences or group.data_notes or len(group.finished) != len(group.runs):
        return False
    paper = collection.papers.get(group.paper)
    cell = paper.cells.get(group.cell) if paper else None
    if cell is not None and cell.bound(group.variant):
        return False
    metric = shown_metric(collection, group)
    if not metric:
        return False
    scores = group.scores(metric)
    return bool(np.isfinite(scores).all()) and scores.shape[1] > 1


def _same(a: Group, b: Group) -> bool:
    x, y = a.records[0], b.records[0]
    tests = (x.data_digest, x.tasks_digest) == (y.data_digest, y.tasks_digest)
    methods = (a.paper, a.variant) != (b.paper, b.variant)
    return tests and methods and a.budget == b.budget
