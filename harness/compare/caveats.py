"""What is to be known beside a row: seeds, what another seed may do, unclean code, heavy tails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from harness.compare.groups import Group
from harness.compare.numbers import number, width
from harness.compare.statistics import largest_share
from harness.compare.trainings import trained_seeds

LARGE_SHARE = 0.1  # of the mean, in one task
ENOUGH_TASKS = 100  # with fewer tasks one of them has a large share without harm


@dataclass(frozen=True)
class Spread:
    """Standard deviation of the seed means of a kindred group, in the unit of the metric."""

    sd: float
    seeds: int
    variant: str


def seed_spread(group: Group, metric: str, others: Iterable[Group]) -> Spread | None:
    """Return what another seed of a one-seed group may do, from trainings of the same paper and
    cell.

    Of the groups at full budget with several trainings that nothing keeps from a verdict, that with
    the most seeds, and of these the widest. None where `group` has no one trained seed at full
    budget, or there is no such group.
    """
    if trained_seeds(group) != 1 or group.budget != "full":
        return None
    spreads = []
    for other in others:
        kin = (other.paper, other.cell, other.budget) == (group.paper, group.cell, group.budget)
        if kin and trained_seeds(other) > 1 and metric in other.metrics and not other.obstacles():
            scores = other.scores(metric)
            if np.isfinite(scores).all() and not has_heavy_tail(scores):
                sd = float(scores.mean(axis=1).std(ddof=1))
                spreads.append(Spread(sd, len(scores), other.variant))
    return max(spreads, key=lambda s: (s.seeds, s.sd), default=None)


def spread_words(metric: str, spread: Spread | None) -> Iterator[str]:
    """Say it for the reason of a row."""
    if spread is not None:
        yield (
            f"what another seed may do: the {spread.seeds} seed means of {spread.variant} have a "
            f"standard deviation of {width(metric, spread.sd)}"
        )


def caveats(group: Group) -> Iterator[str]:
    """Yield what weakens a verdict on the runs of `group`."""
    seeds = trained_seeds(group)
    if seeds == 0:
        yield "nothing is trained: the test tasks are all the chance there is"
    if seeds == 1:
        yield "one seed: uncertainty over test tasks only"
    if seeds == 2:
        yield "two seeds: the interval may be too narrow, three or more are safer"
    measured = [r.measurement for r in group.records]
    trained = any(s.get("clean") is False for m in measured for s in m.get("sessions") or [])
    tested = any((m.get("tested") or {}).get("clean") is False for m in measured)
    if trained or tested:
        what = "run" if trained else "tested"
        yield f"{what} from a working tree with changes that are in no commit"
    yield from sorted({r.data_caveat for r in group.records if r.data_caveat})
    for r in group.records:
        if r.training_note:
            yield f"seed {r.seed}: {r.training_note}" if len(group.runs) > 1 else r.training_note


def has_heavy_tail(scores: np.ndarray) -> bool:
    """Return whether one task carries more than a tenth of the mean of scores [seeds, tasks]."""
    return scores.shape[1] >= ENOUGH_TASKS and largest_share(scores) > LARGE_SHARE


def median(scores: np.ndarray) -> float:
    """Return the median over tasks of the mean over seeds, of scores [seeds, tasks]."""
    return float(np.median(scores.mean(axis=0)))


def heavy_tail(metric: str, scores: np.ndarray, whose: str = "") -> Iterator[str]:
    """Warn where one task carries the mean, as when adaptation diverges on it: a 95 % interval then
    covers far less (simulated: 57 to 74 %). Scores that are not finite have a warning of their own.
    """
    if np.isfinite(scores).all() and has_heavy_tail(scores):
        share, tasks = largest_share(scores), scores.shape[1]
        yield (
            f"{whose}one of {tasks} test tasks holds {share:.0%} of the mean, so its interval is "
            f"too narrow; median over tasks {number(metric, median(scores))}"
        )
