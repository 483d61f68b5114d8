"""One row of every table: a published line, what was measured for it, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from harness.compare.caveats import Spread, median
from harness.compare.groups import Group
from harness.compare.margin import Printed
from harness.compare.numbers import published
from harness.compare.row_tasks import RowTasks
from harness.compare.statistics import seed_estimate, task_estimate
from harness.compare.trainings import trained_seeds
from harness.compare.verdict import Verdict, verdict_words
from harness.published import PublishedLine


@dataclass(frozen=True)
class Measured:
    """What runs gave in one metric, in its unit; None = nothing, or no finite scores."""

    tasks: int | None = None
    mean: float | None = None
    """Over training seeds and test tasks."""
    median: float | None = None
    """Over test tasks, of the mean over seeds."""
    task_interval: float | None = None
    """Half-width of the 95 % interval over `tasks` test tasks, for these seeds."""
    seed_interval: float | None = None
    """Half-width of the 95 % t interval over training seeds; None with one seed."""


@dataclass(frozen=True)
class Runs:
    """The runs behind a row; empty = none."""

    seeds: tuple[int, ...] = ()
    """Training seeds behind the mean."""
    trained_seeds: int | None = None
    """How many trainings these are: 1 marks a verdict that another seed may change, 0 a method with
    nothing to train."""
    budget: str = ""
    device: str = ""
    protocol_differences: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()
    records: tuple[str, ...] = ()
    """Record folders, relative to the results folder."""


@dataclass(frozen=True)
class Row:
    """A published line or none, what was measured for it, and the verdict."""

    paper: str
    cell: str
    variant: str
    """'' for a line quoted for context only."""
    metric: str
    verdict: Verdict
    line: PublishedLine | None = None
    measured: Measured = Measured()
    runs: Runs = Runs()
    spread: Spread | None = None
    """Beside one trained seed, what another may do: that of a variant of the same cell with several
    seeds; None where there is none."""
    tasks: RowTasks = field(default_factory=RowTasks)
    command: str = ""
    """What makes the runs, or would; '' for a line that no variant answers to."""

    @property
    def verdict_words(self) -> str:
        """The verdict, with `(1 seed)` where it is that of one training."""
        return verdict_words(self.verdict.name, self.runs.trained_seeds)

    @property
    def published_words(self) -> str:
        """The published number as papers print it; '' where there is none."""
        if self.line is None:
            return ""
        return published(self.metric, self.line.value, self.line.interval)

    @property
    def seeds_words(self) -> str:
        """What stands for an interval over seeds where there is none; '' where there is one."""
        trained, count = self.runs.trained_seeds, len(self.runs.seeds)
        if count and trained == 0:
            return "untrained"
        return "one seed" if count == 1 else ""


def empty_row(paper: str, variant: str, line: PublishedLine, verdict: Verdict) -> Row:
    """Return the row of a published line that no run answers."""
    return Row(paper, line.cell, variant, line.metric, verdict, line)


def measured_row(
    group: Group,
    metric: str,
    scores: np.ndarray | None,
    verdict: Verdict,
    line: PublishedLine | None,
    spread: Spread | None,
    results: Path,
) -> Row:
    """Return the row of a group of runs; `scores` [seeds, tasks] are those of `metric`, if any."""
    sessions = [s for r in group.records for s in r.measurement.get("sessions") or []]
    runs = Runs(
        seeds=tuple(run.record.seed for run in group.finished),
        trained_seeds=trained_seeds(group),
        budget=group.budget,
        device=group.device,
        protocol_differences=tuple(group.differences),
        commits=tuple(sorted({str(s["commit"])[:12] for s in sessions if s.get("commit")})),
        records=group.folders(results),
    )
    where = (group.paper, group.cell, group.variant)
    return Row(*where, metric, verdict, line, _measured(scores), runs, spread)


def printed(line: PublishedLine) -> Printed:
    """Return the number of a published line and what its ± means."""
    return Printed(
        line.metric, line.value, line.interval, line.interval_kind, line.seeds, line.episodes
    )


def unusable(scores: np.ndarray | None) -> list[str]:
    """Return why no mean or interval can be made of `scores` [seeds, tasks]; empty if one can."""
    if scores is None:
        return []
    bad = int((~np.isfinite(scores)).any(axis=0).sum())
    if bad:
        return [f"{bad} of {scores.shape[1]} test tasks have no finite score"]
    return ["fewer than two test tasks, so no interval"] if scores.shape[1] < 2 else []


def _measured(scores: np.ndarray | None) -> Measured:
    if scores is None:
        return Measured()
    if unusable(scores):
        return Measured(scores.shape[1])
    seeds = seed_estimate(scores)
    return Measured(
        tasks=scores.shape[1],
        mean=float(scores.mean()),
        median=median(scores),
        task_interval=task_estimate(scores).half_width(),
        seed_interval=None if seeds is None else seeds.half_width(),
    )
