"""Methods of all papers beside each other: a row for each accuracy, published or measured, and for
each number in the metric of tasks that have a setting of their own (`beside` in `paper.toml`).

Rows are ranked within their setting only (`harness.compare.setting`), by the mean that was
measured, and only runs at the paper's own training length with the published switches. So a reduced
budget is never ranked with a full one, nor a transductive number with an inductive one. Weights
that are tested on more tasks as well are ranked by these alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.catalog import Cell
from harness.compare.groups import Group, tested_on_more
from harness.compare.row import Row
from harness.compare.row_tasks import group_tasks
from harness.compare.rows import Collection
from harness.compare.setting import Setting
from harness.compare.spent import Spent, spent
from harness.metric import read_metric
from harness.stated import NOT_STATED

ACCURACY = "accuracy"
"""The family in which methods are set side by side on episodes."""


@dataclass(frozen=True)
class AcrossRow:
    """A row of one paper in its setting, with its rank there and what it cost."""

    setting: Setting
    method: str
    """`paper/variant`, or what a line quoted for context calls it."""
    row: Row
    rank: int | None
    """1 = the best mean of this setting; None where the row is not ranked."""
    not_ranked: str
    """Why a measured row is not ranked."""
    tests: str
    """sha256 of the test tasks: rows with the same one are compared task by task."""
    spent: Spent = field(default_factory=Spent)


def across_rows(collection: Collection, results: Path) -> list[AcrossRow]:
    """Return the rows of all settings, ranked ones first, then other runs, then published only.

    `collection` should hold the lines quoted for context too; `results` is where it was read.
    """
    by_records = {g.folders(results): g for g in collection.groups}
    cells = {c.key: c for c in collection.cells}
    rows = []
    for row in collection.rows:
        group = by_records.get(row.runs.records)
        cell = cells.get(f"{row.paper}/{row.cell}")
        here = row.tasks.setting
        if here is not None and _is_shown(row.metric, cell):
            more = None if group is None else tested_on_more(group, collection.groups)
            bound = cell.bound(row.variant) if cell is not None else ""
            rows.append(_across(row, here, group, more, bound))
    ranked = [row for here in sorted({r.setting for r in rows}) for row in _ranked(rows, here)]
    return list({repr(r): r for r in ranked}.values())


def _is_shown(metric: str, cell: Cell | None) -> bool:
    if cell is not None and cell.beside[1]:
        return metric == cell.beside[1]
    return bool(metric) and read_metric(metric).family == ACCURACY


def shown_metric(collection: Collection, group: Group) -> str:
    """Return the metric in which `group` is compared with others: that of its cell's own setting,
    else the accuracy that its paper prints.

    `accuracy@best` was chosen on the test tasks and is never it. '' where there is none.
    """
    where = (group.paper, group.cell)
    paper = collection.papers.get(group.paper)
    cell = paper.cells.get(group.cell) if paper else None
    if cell is not None and cell.beside[1]:
        return cell.beside[1] if cell.beside[1] in group.metrics else ""
    own = [
        r.metric for r in collection.rows if (r.paper, r.cell, r.variant) == (*where, group.variant)
    ]
    others = [r.metric for r in collection.rows if (r.paper, r.cell) == where]
    for metric in [*own, *others]:
        if metric in group.metrics:
            one = read_metric(metric)
            if one.family == ACCURACY and not one.chosen_on_test:
                return metric
    return ""


def group_setting(collection: Collection, group: Group) -> Setting | None:
    """Return the setting of a group of runs, as its records or its cell state it."""
    return group_tasks(group, collection.papers.get(group.paper)).setting


def _across(
    row: Row, here: Setting, group: Group | None, more: Group | None, bound: str
) -> AcrossRow:
    why = ""
    if group is not None:
        why = "; ".join(group.obstacles())
        if not why and row.measured.mean is None:
            why = row.verdict.reason
        if not why and here.inference == NOT_STATED:
            why = "the method does not say whether it is inductive or transductive"
        if not why and read_metric(row.metric).chosen_on_test:
            why = "the best of the test steps, chosen on the test tasks"
        if not why and more is not None:
            why = f"the same weights are ranked by more test tasks, as {more.variant}"
        if not why and bound:
            why = f"a bound: {bound}"
    return AcrossRow(
        setting=here,
        method=_method(row),
        row=row,
        rank=None,
        not_ranked=why,
        tests=group.records[0].tasks_digest if group else "",
        spent=spent(group) if group else Spent(),
    )


def _method(row: Row) -> str:
    if row.variant or row.line is None:
        return f"{row.paper}/{row.variant}"
    return row.line.method or row.line.note.split(";")[0].split(", quoted")[0]


def _ranked(rows: list[AcrossRow], here: Setting) -> Iterator[AcrossRow]:
    def mean(r: AcrossRow) -> float:
        """Return the mean, turned so that more is better."""
        value = r.row.measured.mean or 0.0
        return value if read_metric(r.row.metric).higher_is_better else -value

    own = [r for r in rows if r.setting == here]
    to_rank = [r for r in own if r.row.measured.mean is not None and not r.not_ranked]
    # A run that answers to several published lines counts once.
    runs = sorted({(mean(r), r.method, r.row.metric, r.tests) for r in to_rank}, reverse=True)
    first = {value: [other[0] for other in runs].index(value) + 1 for value, *_ in runs}
    yield from sorted((replace(r, rank=first[mean(r)]) for r in to_rank), key=lambda r: r.rank or 0)
    yield from (r for r in own if r not in to_rank and r.row.runs.budget)
    yield from sorted(
        (r for r in own if not r.row.runs.budget),
        key=lambda r: _printed(r),
        reverse=True,
    )


def _printed(r: AcrossRow) -> float:
    value = r.row.line.value if r.row.line else 0.0
    return value if read_metric(r.row.metric).higher_is_better else -value
