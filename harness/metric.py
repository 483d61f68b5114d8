"""What a metric's name says: its family, what it was taken at, the unit, and which way is better.

A name is a family, as in `accuracy`, or a family at something, as in `mse@5` (after five test
steps, or what else the algorithm counts) and `accuracy@best`. Methods declare the names they give
(`Method.metrics`), records and `published.csv` hold them, and this is the only place that reads
them. A family that is not in `FAMILIES` is refused: nothing guesses which way is better.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from harness.errors import HarnessError, closest
from harness.shown import shown

PERCENT = "%"
BEST = "best"
"""What stands behind the `@` of the best of several test steps."""


@dataclass(frozen=True)
class Family:
    """What is measured, whatever it is taken at."""

    label: str
    """For axes, without the unit."""
    unit: str
    """`%`, `nats`, `bits` …; '' for a plain number or the unit of the paper's own loss. `%` alone
    is of a whole, 0 to 100; what may be more says of what it is."""
    higher_is_better: bool


FAMILIES = {
    "accuracy": Family("accuracy", PERCENT, higher_is_better=True),
    "mnist_accuracy": Family("mnist_accuracy", PERCENT, higher_is_better=True),
    "mse": Family("mean squared error", "", higher_is_better=False),
    "particle_mse": Family("mean squared error of a particle", "", higher_is_better=False),
    "loss": Family("loss", "", higher_is_better=False),
    "reward": Family("total reward", "", higher_is_better=True),
    "log_likelihood": Family("log-likelihood", "nats", higher_is_better=True),
    "target_log_likelihood": Family("log-likelihood of a target", "nats", higher_is_better=True),
    "context_log_likelihood": Family(
        "log-likelihood of a context point", "nats", higher_is_better=True
    ),
    "outside": Family("targets outside two deviations", PERCENT, higher_is_better=False),
    "regret": Family("cumulative regret", "% of uniform", higher_is_better=False),
    "bits": Family("bits", "", higher_is_better=False),
    "speed-up": Family("speed-up", "", higher_is_better=True),
    "nodes": Family("nodes explored", "", higher_is_better=False),
    "solved": Family("solved", PERCENT, higher_is_better=True),
    "seconds": Family("seconds", "s", higher_is_better=False),
    "iterations to converge": Family("iterations to converge", "", higher_is_better=False),
    "parameters": Family("parameters", "", higher_is_better=False),
}
"""All families that a paper of `replications/` measures or quotes; a new one is added here."""


@dataclass(frozen=True)
class Metric:
    """One metric, read from its name."""

    family: str
    at: str
    """What stands behind the `@`: a number of test steps or the like, `best`, or '' for nothing."""
    unit: str
    higher_is_better: bool
    label: str
    """For an axis, with the unit in brackets where there is one."""

    @property
    def name(self) -> str:
        """The name in records and `published.csv`."""
        return f"{self.family}@{self.at}" if self.at else self.family

    @property
    def is_percent(self) -> bool:
        """Whether values lie between 0 and 100."""
        return self.unit == PERCENT

    @property
    def chosen_on_test(self) -> bool:
        """Whether it is the best of several steps, chosen on the test tasks themselves."""
        return self.at == BEST

    def better(self, one: float, other: float) -> bool:
        """Return whether the value `one` is better than `other`."""
        return one > other if self.higher_is_better else one < other

    def best_of_steps(self) -> Metric:
        """Return the metric of the same family at the best of the steps."""
        return read_metric(f"{self.family}@{BEST}")


@cache
def read_metric(name: str) -> Metric:
    """Read the name of a metric; HarnessError for an unknown family."""
    family, _, at = name.partition("@")
    if family not in FAMILIES:
        raise HarnessError(
            f"found metric {shown(name)}{closest(family, FAMILIES)}, wanted one of the families "
            f"{', '.join(FAMILIES)}, alone or as FAMILY@K; a new one is declared in "
            "harness/metric.py."
        )
    kind = FAMILIES[family]
    label = f"{kind.label} ({kind.unit})" if kind.unit else kind.label
    return Metric(family, at, kind.unit, kind.higher_is_better, label)


def with_best_of_steps(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names, and behind them the best of the steps of each family that has steps."""
    metrics = [read_metric(name) for name in names]
    best = dict.fromkeys(m.best_of_steps().name for m in metrics if m.at)
    return (*(m.name for m in metrics), *best)
