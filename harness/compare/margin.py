"""How far a number may lie from the printed one, and how sure the printed one is itself.

A printed number is a measurement too. What its ± says of its standard error:

    ci95        half-width / 1.96
    sem         half-width
    std-seeds   half-width / sqrt(seeds), where the number of seeds is known
    std-tasks   half-width / sqrt(episodes), where the number of test tasks is known
    bound       half-width / sqrt(3): uniform within the bound (rounding, digitisation)
    unknown, none, and a standard deviation of an unknown number: not known

The default margin of an accuracy is one point or a third of the error rate (100 - value), whichever
is less: one point is a small step at 60 % and ten times the error at 99.9 %. Below 0.05 points,
half of the last digit that most tables print, it does not go. For a loss it is 10 % of the value;
for a reward, of which good strategies differ by few percent, it is 2 %.

The printed number's error counts once:

- where its own 95 % interval (1.96 standard errors) is wider than the default, that interval is the
  margin, and the test is against the number as it is printed. The verdict then says that ours lies
  within the paper's interval; the paper's truth may lie elsewhere in it;
- else the margin is the default, and the standard error enters the test beside ours, so that the
  verdict is on the two truths. A standard deviation of n values has n - 1 degrees of freedom:
  taken as exact, that of three seeds would be wrong in up to 11 % of cases in place of 5 %.

A bound is no interval of a mean and never the margin. Where the error is not known it is left out
of the test, and the reason says so. No ± over test tasks covers what other seeds of the paper's
training would have given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.compare.numbers import width
from harness.compare.statistics import Estimate
from harness.metric import read_metric

ACCURACY_MARGIN = 1.0  # percentage points
SHARE_OF_ERRORS = 1 / 3
LEAST_MARGIN = 0.05  # percentage points
LOSS_MARGIN = 0.10  # of the published value
REWARD_MARGIN = 0.02  # of the published value
NORMAL_95 = 1.96


@dataclass(frozen=True)
class Printed:
    """A printed number with the meaning of its ±: kind as in `harness.interval_kinds`."""

    metric: str
    value: float
    interval: float | None = None
    kind: str = "none"
    seeds: int | None = None
    episodes: int | None = None


@dataclass(frozen=True)
class Margin:
    """Half-width of the region of equivalence, in the unit of the metric, and what the printed
    number adds to the test."""

    size: float
    printed: Estimate
    """The printed number; its standard error is 0 where it does not enter the test."""
    words: str
    """Says for the reason of a verdict what was done with the printed number's error."""


def default_margin(metric: str, value: float) -> float:
    """Return the margin that needs no ±, in the unit of `metric`."""
    read = read_metric(metric)
    if not read.is_percent:
        return (REWARD_MARGIN if read.family == "reward" else LOSS_MARGIN) * abs(value)
    return max(LEAST_MARGIN, min(ACCURACY_MARGIN, SHARE_OF_ERRORS * (100 - value)))


def printed_error(number: Printed) -> tuple[float, float] | str:
    """Return (standard error, degrees of freedom) of a printed number, or why it is not known."""
    half = number.interval
    if half is None:
        return "no ± is printed"
    if number.kind == "ci95":
        return half / NORMAL_95, math.inf
    if number.kind == "sem":
        return half, math.inf
    if number.kind == "bound":
        return half / math.sqrt(3), math.inf
    counts = {"std-seeds": (number.seeds, "seeds"), "std-tasks": (number.episodes, "test tasks")}
    if number.kind not in counts:
        return "what its ± means is not said"
    n, of = counts[number.kind]
    if n is None or n < 2:
        why = "how many is not said" if n is None else "one alone has none"
        return f"its ± is a standard deviation over {of}, {why}"
    return half / math.sqrt(n), n - 1


def margin(number: Printed) -> Margin:
    """Return the margin around a printed number, and whether its own error enters the test."""
    size = default_margin(number.metric, number.value)
    exact = Estimate(number.value, 0.0, math.inf)
    error = printed_error(number)
    if isinstance(error, str):
        return Margin(size, exact, f"the printed number's own error is not known ({error})")
    se, df = error
    if number.kind != "bound" and se * NORMAL_95 > size:
        return Margin(se * NORMAL_95, exact, "the margin is the paper's own interval")
    words = f"with the printed number's own standard error {width(number.metric, se)}"
    return Margin(size, Estimate(number.value, se, df), words)
