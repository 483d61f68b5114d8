"""One row of every table: a published line, what was measured for it, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.compare.caveats import Spread, median
from harness.compare.groups import Group
from harness.compare.margin import Printed
from harness.compare.statistics import seed_estimate, task_estimate
from harness.compare.trainings import trained_seeds
from harness.compare.verdict import Verdict, VerdictName, verdict_words
from harness.published import PublishedLine


@dataclass(frozen=True)
class Row:
    """Values are in the unit of `metric`; None = there is none."""

    paper: str
    cell: str
    variant: str
    """'' for a line quoted for context only."""
    metric: str
    verdict: VerdictName
    """The plain word; `verdict_words` says beside it that it rests on one training."""
    reason: str
    published: float | None = None
    published_interval: float | None = None
    interval_kind: str = ""
    """A word of `harness.interval_kinds`."""
    published_episodes: int | None = None
    published_seeds: int | None = None
    source: str = ""
    table: str = ""
    confidence: str = ""
    note: str = ""
    method: str = ""
    """What a line quoted for context calls the method; '' where it is not said."""
    inference: str = ""
    """`inductive` or `transductive`, of such a line; '' where it is not said."""
    dataset: str = ""
    """Of such a line, where it is another than the cell's."""
    measured: float | None = None
    """Mean over training seeds and test tasks."""
    task_interval: float | None = None
    """Half-width of the 95 % interval over `tasks` test tasks, for these seeds."""
    seed_interval: float | None = None
    """Half-width of the 95 % t interval over training seeds; None with one seed."""
    seeds: list[int] = field(default_factory=list)
    """Training seeds behind `measured`."""
    trained_seeds: int | None = None
    """How many trainings these are: 1 marks a verdict that another seed may change, 0 a method with
    nothing to train."""
    seed_spread: float | None = None
    """Beside one trained seed, what another may do: the standard deviation of the seed means of
    `seed_spread_of`, a variant of the same cell with several seeds; None where there is none."""
    seed_spread_of: str = ""
    median: float | None = None
    """Median over test tasks of the mean over seeds."""
    tasks: int | None = None
    margin: float | None = None
    difference: float | None = None
    """measured - published."""
    difference_interval: tuple[float, float] | None = None
    """90 % interval of the difference, as the two one-sided tests use it."""
    budget: str = ""
    device: str = ""
    protocol_differences: list[str] = field(default_factory=list)
    commits: list[str] = field(default_factory=list)
    records: list[str] = field(default_factory=list)
    """Record folders, relative to the results folder."""

    @property
    def verdict_words(self) -> str:
        """The verdict, with `(1 seed)` where it is that of one training."""
        return verdict_words(self.verdict, self.trained_seeds)


def empty_row(paper: str, variant: str, line: PublishedLine, verdict: Verdict) -> Row:
    """Return the row of a published line that no run answers."""
    return Row(
        paper=paper,
        cell=line.cell,
        variant=variant,
        metric=line.metric,
        verdict=verdict.name,
        reason=verdict.reason,
        **_published(line),
    )


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
    return Row(
        paper=group.paper,
        cell=group.cell,
        variant=group.variant,
        metric=metric,
        verdict=verdict.name,
        reason=verdict.reason,
        margin=verdict.margin,
        difference=verdict.difference,
        difference_interval=verdict.difference_interval,
        seeds=[run.record.seed for run in group.finished],
        trained_seeds=trained_seeds(group),
        seed_spread=spread.sd if spread else None,
        seed_spread_of=spread.variant if spread else "",
        budget=group.budget,
        device=group.device,
        protocol_differences=list(group.differences),
        commits=sorted({str(s["commit"])[:12] for s in sessions if s.get("commit")}),
        records=[run.folder.relative_to(results).as_posix() for run in group.runs],
        **_published(line),
        **_measured(scores),
    )


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


def _published(line: PublishedLine | None) -> dict[str, Any]:
    if line is None:
        return {}
    return {
        "published": line.value,
        "published_interval": line.interval,
        "interval_kind": line.interval_kind,
        "published_episodes": line.episodes,
        "published_seeds": line.seeds,
        "source": line.source,
        "table": line.table,
        "confidence": line.confidence,
        "note": line.note,
        "method": line.method,
        "inference": line.inference,
        "dataset": line.dataset,
    }


def _measured(scores: np.ndarray | None) -> dict[str, Any]:
    if scores is None:
        return {}
    if unusable(scores):
        return {"tasks": scores.shape[1]}
    seeds = seed_estimate(scores)
    return {
        "tasks": scores.shape[1],
        "measured": float(scores.mean()),
        "median": median(scores),
        "task_interval": task_estimate(scores).half_width(),
        "seed_interval": None if seeds is None else seeds.half_width(),
    }
