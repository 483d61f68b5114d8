"""Intervals and tests. Scores come as [seeds, tasks]: every seed is tested on the same tasks.

Two sources of chance are kept apart: which test tasks were drawn, and which training seeds. The
mean's squared standard error is the sum of both parts,

    se_tasks = sd over tasks of (mean over seeds) / sqrt(tasks)
    se_seeds = sd over seeds of (mean over tasks) / sqrt(seeds),   with two seeds or more,

and its degrees of freedom are Satterthwaite's (Biometrics Bulletin 2, 1946). The noise of single
(seed, task) pairs enters both parts, so where seeds differ little the sum is careful. Where they
differ much, Satterthwaite's interval is too narrow with few seeds: simulated at its worst (600
tasks, seed part four times the task part) the 95 % interval covers 87 % with two seeds, 92 % with
three, 94 % with five; the 90 % one 83, 88 and 89 %. Rows with two seeds say so.

Equivalence is by two one-sided tests (Schuirmann, J. Pharmacokinet. Biopharm. 15, 1987).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.errors import HarnessError
from harness.records.schema import MetricSummary


@dataclass(frozen=True)
class Estimate:
    """A mean, its standard error (same unit) and the degrees of freedom of that error."""

    value: float
    se: float
    df: float

    def half_width(self, level: float = 0.95) -> float:
        """Return the half-width of the two-sided t interval at `level`."""
        return self.se * t_quantile(0.5 + level / 2, self.df)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the two-sided t interval at `level`."""
        half = self.half_width(level)
        return self.value - half, self.value + half

    def p_greater(self, bound: float) -> float:
        """Return the p-value of the one-sided test whose alternative is: true value > `bound`."""
        if self.se == 0:
            return 0.0 if self.value > bound else 1.0
        return t_cdf((bound - self.value) / self.se, self.df)

    def p_less(self, bound: float) -> float:
        """Return the p-value of the one-sided test whose alternative is: true value < `bound`."""
        return Estimate(-self.value, self.se, self.df).p_greater(-bound)

    def p_zero(self) -> float:
        """Return the two-sided p-value against a true value of 0."""
        if self.se == 0:
            return 1.0 if self.value == 0 else 0.0
        return min(1.0, 2 * min(self.p_greater(0.0), self.p_less(0.0)))


def task_estimate(scores: np.ndarray) -> Estimate:
    """Estimate the mean of `scores` [seeds, tasks] over test tasks, for these seeds.

    Needs two tasks or more. The interval has the t quantile, as everything that is shown.
    """
    return _mean(scores.mean(axis=0), "test tasks")


def summary_half_width(metric: MetricSummary) -> float | None:
    """Return the half-width of the 95 % t interval over test tasks of a metric as records sum it
    up; None with one task, or where a score is not finite.

    Records keep `ci95` beside, with 1.96 for the quantile: it is 0.2 % less at 600 tasks, half of
    this at 3, and nothing shows it.
    """
    if metric.sd is None or metric.n < 2:
        return None
    return metric.sd / math.sqrt(metric.n) * t_quantile(0.975, metric.n - 1)


def check_there() -> None:
    """Raise HarnessError where there is no scipy: before a long test, whose interval needs it."""
    _special()


def seed_estimate(scores: np.ndarray) -> Estimate | None:
    """Estimate the mean of `scores` [seeds, tasks] over training seeds, for these tasks.

    None with one seed, which says nothing about other seeds.
    """
    return _mean(scores.mean(axis=1), "seeds") if len(scores) > 1 else None


def mean_estimate(scores: np.ndarray) -> Estimate:
    """Estimate the mean of `scores` [seeds, tasks] over both; over tasks alone with one seed."""
    return _add(float(scores.mean()), [task_estimate(scores), seed_estimate(scores)])


def paired_estimate(a: np.ndarray, b: np.ndarray, same_trainings: bool = False) -> Estimate:
    """Estimate the mean of a - b, [seeds of a, tasks] and [seeds of b, tasks], on the same tasks.

    Over tasks the difference is paired. Seeds are separate trainings, so where a side has several,
    its seed part is added; with `same_trainings`, where row i of both is the same weights, the seed
    part is that of the difference. With one seed a side this is the paired t test.
    """
    tasks = paired_tasks(a, b)
    if same_trainings:
        return _add(tasks.value, [tasks, seed_estimate(a - b)])
    return _add(tasks.value, [tasks, seed_estimate(a), seed_estimate(b)])


def paired_tasks(a: np.ndarray, b: np.ndarray) -> Estimate:
    """Estimate the mean of a - b, [seeds, tasks] each, over test tasks, for these trainings."""
    if a.shape[1] != b.shape[1]:
        raise HarnessError(
            f"found {a.shape[1]} and {b.shape[1]} tasks, wanted the same tasks for a pair."
        )
    return _mean(a.mean(axis=0) - b.mean(axis=0), "test tasks")


def difference_estimate(a: Estimate, b: Estimate) -> Estimate:
    """Estimate a - b of two estimates that have no chance in common."""
    return _add(a.value - b.value, [a, b])


def unpaired_estimate(a: np.ndarray, b: np.ndarray) -> Estimate:
    """Estimate the mean of a - the mean of b, [tasks] each, on tasks that have nothing in common.

    This is Welch's t test.
    """
    x, y = task_estimate(a[None]), task_estimate(b[None])
    return difference_estimate(x, y)


def equivalence_p(difference: Estimate, margin: float) -> float:
    """Return the p-value of the two one-sided tests: alternative |true difference| < `margin`.

    p < 0.05 exactly where the 90 % interval lies within -margin … margin.
    """
    return max(difference.p_greater(-margin), difference.p_less(margin))


def t_quantile(p: float, df: float) -> float:
    """Return the `p` quantile of Student's t with `df` degrees of freedom, the normal's with
    inf."""
    special = _special()
    return float(special.ndtri(p) if math.isinf(df) else special.stdtrit(df, p))


def t_cdf(t: float, df: float) -> float:
    """Return the probability that Student's t with `df` degrees of freedom is at most `t`."""
    special = _special()
    return float(special.ndtr(t) if math.isinf(df) else special.stdtr(df, t))


def _mean(x: np.ndarray, of: str) -> Estimate:
    if len(x) < 2:
        raise HarnessError(f"found {len(x)} {of}, wanted two or more for an interval.")
    sd = float(x.std(ddof=1))
    return Estimate(float(x.mean()), sd / math.sqrt(len(x)), len(x) - 1)


def _add(value: float, parts: list[Estimate | None]) -> Estimate:
    known = [p for p in parts if p is not None]
    se = math.hypot(*(p.se for p in known))
    if se == 0:
        return Estimate(value, 0.0, sum(p.df for p in known))
    # Satterthwaite in shares of the variance, which neither overflow nor underflow.
    inverse = sum((p.se / se) ** 4 / p.df for p in known)
    return Estimate(value, se, 1 / inverse if inverse else math.inf)


def _special() -> Any:
    try:
        import scipy.special
    except ImportError:
        raise HarnessError(
            "found no scipy, wanted it for intervals; "
            "run `pip install 'metalearning-replications[compare]'`."
        ) from None
    return scipy.special


def largest_share(scores: np.ndarray) -> float:
    """Return the share that one test task has in the sum of scores [seeds, tasks], 0 to 1.

    Near 1 where adaptation diverged on a task: the mean then says nothing of the others."""
    sizes = np.abs(scores.mean(0))
    return float(sizes.max() / sizes.sum()) if sizes.any() else 0.0
