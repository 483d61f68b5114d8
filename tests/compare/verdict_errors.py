"""How often a verdict is wrong at the margin's edge: `python -m tests.compare.verdict_errors`.

The true difference is just the margin, so that `reproduced` and `above` are each wrong and each
nominal in 5 % of cases. A run is drawn as its statistics come: a mean over seeds and tasks, the
variance over tasks, that over seeds, and a printed number with its own error. Then the rules of
`harness.compare.margin` and `harness.compare.verdict` are followed, for all runs at once;
`test_verdict_errors.py` holds them to `judge` itself.

Where the margin is the paper's own interval, the difference meant is that from the number as
printed; how often the verdict is wrong of the paper's truth stands beside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from scipy.special import stdtrit

from harness.compare.margin import NORMAL_95, Printed, default_margin, printed_error
from harness.compare.verdict import LEVEL

TASK_SD = 10.0  # percentage points, of scores between test tasks
VALUE = 60.0  # the paper's truth, where the default margin is one point
SEEDS, TASKS, SEED_SDS = (1, 2, 3, 6), (600, 10_000), (0.0, 0.5)
ALLOWED = LEVEL + 0.02
KINDS = {
    "none": Printed("accuracy", VALUE),
    "ci95 small": Printed("accuracy", VALUE, 0.3, "ci95", None, 600),
    "ci95 large": Printed("accuracy", VALUE, 1.8, "ci95", None, 600),
    "std-seeds": Printed("accuracy", VALUE, 0.5, "std-seeds", 3, 600),
}


@dataclass(frozen=True)
class Runs:
    """Simulated comparisons, arrays [runs] in percentage points."""

    measured: np.ndarray
    variances: list[tuple[np.ndarray, float]]
    """(squared standard error, degrees of freedom) of our tasks, and of our seeds if several."""
    printed: np.ndarray
    printed_se: np.ndarray
    """As the paper's own ± says it, which is itself an estimate for a deviation over seeds."""


@dataclass(frozen=True)
class Errors:
    """Shares of runs that got the verdict though the truth is at the margin's edge."""

    seeds: int
    tasks: int
    seed_sd: float
    kind: str
    reproduced: float
    above: float
    own: float
    """Share of runs where the paper's own interval is the margin."""
    of_truth: float
    """`reproduced` though the paper's own truth, not the number it prints, is a margin away."""

    @property
    def worst(self) -> float:
        """The larger of the two rates that are nominal in 5 % of cases."""
        return max(self.reproduced, self.above)

    @property
    def not_covered(self) -> str:
        """What the rates do not cover."""
        found = []
        if self.seeds == 1 and self.seed_sd:
            found.append("another seed (the verdict says `1 seed`)")
        if self.seeds == 2 and self.worst > ALLOWED:
            found.append("two seeds (the reason says that the interval may be too narrow)")
        if self.own and self.of_truth > ALLOWED:
            found.append(
                f"the paper's own truth (its interval is the margin in {self.own:.0%} of runs): "
                f"{self.of_truth:.1%} of all"
            )
        return "; ".join(found)


def draw(
    rng: np.random.Generator, runs: int, seeds: int, tasks: int, seed_sd: float, number: Printed
) -> Runs:
    """Draw runs whose truth and the paper's are equal to `number.value`."""
    task_se = TASK_SD / math.sqrt(tasks)
    by_seed = rng.standard_normal((runs, seeds)) * seed_sd
    measured = VALUE + rng.standard_normal(runs) * task_se + by_seed.mean(axis=1)
    variances = [(task_se**2 * rng.chisquare(tasks - 1, runs) / (tasks - 1), tasks - 1.0)]
    if seeds > 1:
        variances.append((by_seed.var(axis=1, ddof=1) / seeds, seeds - 1.0))
    se, df = _truth(number)
    stated = np.full(runs, se)
    if math.isfinite(df):
        stated = se * np.sqrt(rng.chisquare(df, runs) / df)
    return Runs(measured, variances, VALUE + rng.standard_normal(runs) * se, stated)


def own_interval(runs: Runs, number: Printed) -> tuple[np.ndarray, np.ndarray]:
    """Return whether the paper's own interval is the margin, and the margin, [runs] each."""
    default = default_margin(number.metric, VALUE)
    own = NORMAL_95 * runs.printed_se
    return own > default, np.maximum(own, default)


def verdicts(runs: Runs, number: Printed) -> tuple[np.ndarray, np.ndarray]:
    """Return (reproduced, above) [runs], by the rules."""
    is_own, size = own_interval(runs, number)
    entering = np.where(is_own, 0.0, runs.printed_se) ** 2
    parts = [*runs.variances, (entering, _truth(number)[1])]
    variance = np.add.reduce([v for v, _ in parts])
    inverse = np.add.reduce([(v / variance) ** 2 / df for v, df in parts])
    half = stdtrit(1 / inverse, 1 - LEVEL) * np.sqrt(variance)
    difference = runs.measured - runs.printed
    return (difference + half < size) & (difference - half > -size), difference - half > size


def errors(seeds: int, tasks: int, seed_sd: float, kind: str, runs: int, seed: int = 0) -> Errors:
    """Simulate one row of the table."""
    number = KINDS[kind]
    made = draw(np.random.default_rng(seed), runs, seeds, tasks, seed_sd, number)
    is_own, size = own_interval(made, number)
    at_edge = replace(made, measured=made.measured + size)
    of_truth, _ = verdicts(at_edge, number)
    # Where the test is against the number as it is printed, that number has no error.
    said = replace(at_edge, printed=np.where(is_own, VALUE, made.printed))
    shares = (float(x.mean()) for x in (*verdicts(said, number), is_own, of_truth))
    return Errors(seeds, tasks, seed_sd, kind, *shares)


def table(runs: int = 100_000) -> list[Errors]:
    """Return all rows."""
    return [
        errors(seeds, tasks, sd, kind, runs)
        for kind, seeds, tasks, sd in product(KINDS, SEEDS, TASKS, SEED_SDS)
    ]


def _truth(number: Printed) -> tuple[float, float]:
    """Return the true standard error behind a printed number, and the freedom of what it states."""
    found = printed_error(number)
    return (0.0, math.inf) if isinstance(found, str) else found


def main() -> None:
    """Print the table in Markdown."""
    names = ("printed ±", "seeds", "tasks", "seed sd", "wrong `reproduced`", "wrong `above`")
    print(f"| {' | '.join(names)} | does not cover |")
    print("|---|---:|---:|---:|---:|---:|---|")
    for e in table():
        print(
            f"| {e.kind} | {e.seeds} | {e.tasks:,} | {e.seed_sd:g} | {e.reproduced:.1%} | "
            f"{e.above:.1%} | {e.not_covered} |"
        )


if __name__ == "__main__":
    main()
