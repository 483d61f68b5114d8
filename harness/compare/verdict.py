"""The verdict on one measured number against one published number, by equivalence to a margin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.compare.numbers import is_accuracy, number, span
from harness.compare.statistics import Estimate, equivalence_p

VerdictName = Literal[
    "reproduced", "below", "above", "inconclusive", "not comparable", "not run", "context"
]
LEVEL = 0.05  # of each one-sided test; the interval shown is the matching 90 % one
ACCURACY_MARGIN = 1.0  # percentage points
LOSS_MARGIN = 0.10  # of the published value


@dataclass(frozen=True)
class Verdict:
    """A verdict and why. `difference` (measured - published), its 90 % interval and `margin` are in
    the unit of the metric; None where nothing was tested."""

    name: VerdictName
    reason: str
    margin: float | None = None
    difference: float | None = None
    difference_interval: tuple[float, float] | None = None


def margin(metric: str, value: float, interval: float | None, kind: str) -> float:
    """Give the margin of equivalence: the larger of the paper's interval and the default.

    The default is 1 percentage point for accuracies and 10 % of the published value otherwise. A ±
    that is a standard deviation is no interval of the mean, and does not widen the margin.
    """
    default = ACCURACY_MARGIN if is_accuracy(metric) else LOSS_MARGIN * abs(value)
    words = kind.lower().replace("-", " ")
    if interval is None or "standard deviation" in words or {"sd", "std"} & set(words.split()):
        return default
    return max(default, interval)


def judge(metric: str, published: float, margin: float, measured: Estimate) -> Verdict:
    """Test `measured` against `published` with two one-sided tests at 5 %.

    reproduced: the 90 % interval of the difference lies inside ±margin; below or above: wholly
    outside, in the number's sense (a loss below the paper's is better); else inconclusive.
    """
    difference = Estimate(measured.value - published, measured.se, measured.df)
    low, high = interval = difference.interval(1 - 2 * LEVEL)
    facts = (
        f"difference {number(metric, difference.value, sign=True)}, "
        f"90 % CI {span(metric, low, high)}, margin ±{number(metric, margin)}"
    )
    name = place(difference, margin)
    if name == "reproduced":
        why = "within the margin"
    elif name == "inconclusive":
        why = "too wide to tell: more seeds or tasks decide"
    else:
        better = is_accuracy(metric) == (name == "above")
        why = (
            "better than the paper, by more than the margin"
            if better
            else "worse than the paper, by more than the margin"
        )
    return Verdict(name, f"{why}: {facts}", margin, difference.value, interval)


def place(difference: Estimate, margin: float) -> VerdictName:
    """Say where `difference` (measured - published) lies: two one-sided tests against ±`margin`."""
    if equivalence_p(difference, margin) < LEVEL:
        return "reproduced"
    if difference.p_less(-margin) < LEVEL or difference.p_greater(margin) < LEVEL:
        return "above" if difference.value > 0 else "below"
    return "inconclusive"
