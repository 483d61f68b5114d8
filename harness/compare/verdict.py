"""The verdict on one measured number against one published number, by equivalence to a margin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.compare.margin import Margin
from harness.compare.numbers import number, span
from harness.compare.statistics import Estimate, difference_estimate, equivalence_p
from harness.metric import read_metric

VerdictName = Literal[
    "reproduced",
    "better",
    "worse",
    "inconclusive",
    "not comparable",
    "no published number",
    "not run",
    "context",
]
Place = Literal["inside", "below", "above", "undecided"]
LEVEL = 0.05  # of each one-sided test; the interval shown is the matching 90 % one
JUDGED: tuple[VerdictName, ...] = (
    "reproduced",
    "better",
    "worse",
    "inconclusive",
)  # verdicts that a test gave


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

    reproduced: the 90 % interval of the difference lies inside ±margin; better or worse: it lies
    wholly outside, on the side that the metric calls better or worse; else inconclusive.
    """
    difference = difference_estimate(measured, margin.printed)
    size = margin.size
    low, high = interval = difference.interval(1 - 2 * LEVEL)
    facts = (
        f"difference {number(metric, difference.value, sign=True)}, "
        f"90 % CI {span(metric, low, high)}, margin ±{number(metric, size)}, {margin.words}"
    )
    where = place(difference, size)
    name: VerdictName
    if where == "inside":
        name, why = "reproduced", "within the margin"
    elif where == "undecided":
        name, why = "inconclusive", "too wide to tell: more seeds or tasks decide"
        if margin.printed.se > measured.se:
            why = "too wide to tell: most of it is the printed number's own error"
    elif read_metric(metric).higher_is_better == (where == "above"):
        name, why = "better", "better than the paper, by more than the margin"
    else:
        name, why = "worse", "worse than the paper, by more than the margin"
    return Verdict(name, f"{why}: {facts}", size, difference.value, interval)


def place(difference: Estimate, margin: float) -> Place:
    """Return where `difference` (measured - published) lies in respect of ±`margin`, by two
    one-sided tests at `LEVEL` each."""
    if equivalence_p(difference, margin) < LEVEL:
        return "inside"
    if difference.p_less(-margin) < LEVEL or difference.p_greater(margin) < LEVEL:
        return "above" if difference.value > 0 else "below"
    return "undecided"


def verdict_words(name: str, trained_seeds: int | None) -> str:
    """Return a verdict with what it rests on: `reproduced (1 seed)` where it is one training's.

    Another training may give another verdict. `trained_seeds` is 0 where nothing is trained.
    """
    return f"{name} (1 seed)" if name in JUDGED and trained_seeds == 1 else name
