"""The verdict on one measured number against one published number, by equivalence to a margin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.compare.margin import Margin
from harness.compare.numbers import is_accuracy, number, span
from harness.compare.statistics import Estimate, difference_estimate, equivalence_p

VerdictName = Literal[
    "reproduced", "below", "above", "inconclusive", "not comparable", "not run", "context"
]
LEVEL = 0.05  # of each one-sided test; the interval shown is the matching 90 % one
JUDGED = ("reproduced", "below", "above", "inconclusive")  # verdicts that a test gave


@dataclass(frozen=True)
class Verdict:
    """A verdict and why. `difference` (measured - published), its 90 % interval and `margin` are in
    the unit of the metric; None where nothing was tested."""

    name: VerdictName
    reason: str
    margin: float | None = None
    difference: float | None = None
    difference_interval: tuple[float, float] | None = None


def judge(metric: str, margin: Margin, measured: Estimate) -> Verdict:
    """Test `measured` against the printed number of `margin` with two one-sided tests at 5 %.

    reproduced: the 90 % interval of the difference lies inside ±margin; below or above: wholly
    outside, in the number's sense (a loss below the paper's is better); else inconclusive.
    """
    difference = difference_estimate(measured, margin.printed)
    size = margin.size
    low, high = interval = difference.interval(1 - 2 * LEVEL)
    facts = (
        f"difference {number(metric, difference.value, sign=True)}, "
        f"90 % CI {span(metric, low, high)}, margin ±{number(metric, size)}, {margin.words}"
    )
    name = place(difference, size)
    if name == "reproduced":
        why = "within the margin"
    elif name == "inconclusive":
        why = "too wide to tell: more seeds or tasks decide"
        if margin.printed.se > measured.se:
            why = "too wide to tell: most of it is the printed number's own error"
    else:
        better = is_accuracy(metric) == (name == "above")
        why = (
            "better than the paper, by more than the margin"
            if better
            else "worse than the paper, by more than the margin"
        )
    return Verdict(name, f"{why}: {facts}", size, difference.value, interval)


def place(difference: Estimate, margin: float) -> VerdictName:
    """Return where `difference` (measured - published) lies: two one-sided tests against
    ±`margin`."""
    if equivalence_p(difference, margin) < LEVEL:
        return "reproduced"
    if difference.p_less(-margin) < LEVEL or difference.p_greater(margin) < LEVEL:
        return "above" if difference.value > 0 else "below"
    return "inconclusive"


def verdict_words(name: str, trained_seeds: int | None) -> str:
    """Say a verdict with what it rests on: `reproduced (1 seed)` where it is one training's.

    Another training may give another verdict. `trained_seeds` is 0 where nothing is trained.
    """
    return f"{name} (1 seed)" if name in JUDGED and trained_seeds == 1 else name
