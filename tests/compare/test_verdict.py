import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compare.margin import Margin, Printed, margin
from harness.compare.statistics import Estimate
from harness.compare.verdict import judge, verdict_words


def around(value: float, size: float) -> Margin:
    return Margin(size, Estimate(value, 0.0, math.inf), "no more")


@pytest.mark.parametrize(
    ("metric", "measured", "se", "name", "words"),
    [
        ("accuracy", 95.2, 0.2, "reproduced", "within the margin"),
        ("accuracy", 95.0, 2.0, "inconclusive", "more seeds or tasks"),
        ("accuracy", 96.1, 0.2, "inconclusive", "too wide to tell"),
        ("accuracy", 98.0, 0.2, "better", "better than the paper"),
        ("accuracy", 92.0, 0.2, "worse", "worse than the paper"),
        ("mse@1", 98.0, 0.2, "worse", "worse than the paper"),
        ("mse@1", 92.0, 0.2, "better", "better than the paper"),
    ],
)
def test_verdicts(metric: str, measured: float, se: float, name: str, words: str) -> None:
    found = judge(metric, around(95.0, 1.0), Estimate(measured, se, 599))
    assert found.name == name
    assert words in found.reason


def test_the_reason_has_the_numbers() -> None:
    found = judge("accuracy", around(95.0, 1.0), Estimate(98.0, 0.0, 599))
    assert "difference +3.00, 90 % CI [+3.00, +3.00], margin ±1.00, no more" in found.reason
    assert found.difference == 3.0
    assert found.difference_interval == (3.0, 3.0)


@given(st.floats(-50, 50), st.floats(1e-6, 20), st.floats(1, 1e4), st.floats(0.01, 20))
def test_verdicts_follow_the_90_percent_interval_and_mirror(
    difference: float, se: float, df: float, room: float
) -> None:
    found = judge("accuracy", around(0.0, room), Estimate(difference, se, df))
    assert found.difference_interval is not None
    low, high = found.difference_interval
    if min(abs(abs(low) - room), abs(abs(high) - room)) < 1e-6 * (1 + abs(low) + abs(high)):
        return
    inside, outside = -room < low and high < room, high < -room or low > room
    wanted = ("better" if difference > 0 else "worse") if outside else "inconclusive"
    assert found.name == ("reproduced" if inside else wanted)
    mirror = judge("accuracy", around(0.0, room), Estimate(-difference, se, df))
    swap = {"better": "worse", "worse": "better"}
    assert mirror.name == swap.get(found.name, found.name)


def test_the_printed_numbers_error_enters_the_test() -> None:
    ours = Estimate(95.5, 0.2, 599)
    exact = judge("accuracy", margin(Printed("accuracy", 95.0)), ours)
    assert exact.name == "reproduced"
    found = judge("accuracy", margin(Printed("accuracy", 95.0, 0.9, "ci95", None, 600)), ours)
    assert found.name == "inconclusive"
    assert found.reason.startswith("too wide to tell: most of it is the printed number's own")
    assert found.margin == exact.margin == 1.0
    assert found.difference_interval is not None
    low, high = found.difference_interval
    assert (high - low) / 2 == pytest.approx(1.645 * math.hypot(0.2, 0.9 / 1.96), rel=1e-3)


def test_the_papers_interval_counts_once() -> None:
    wide = margin(Printed("accuracy", 48.7, 1.84, "ci95", None, 600))
    found = judge("accuracy", wide, Estimate(49.9, 0.2, 599))
    assert (found.name, found.margin) == ("reproduced", pytest.approx(1.84))
    assert found.difference_interval is not None
    assert found.difference_interval[1] == pytest.approx(1.2 + 1.647 * 0.2, abs=1e-3)
    assert found.reason.endswith("margin ±1.84, the margin is the paper's own interval")


@pytest.mark.parametrize(
    ("name", "seeds", "wanted"),
    [
        ("reproduced", 1, "reproduced (1 seed)"),
        ("worse", 1, "worse (1 seed)"),
        ("better", 2, "better"),
        ("inconclusive", 0, "inconclusive"),
        ("not comparable", 1, "not comparable"),
        ("not run", None, "not run"),
    ],
)
def test_a_verdict_of_one_training_says_so(name: str, seeds: int | None, wanted: str) -> None:
    assert verdict_words(name, seeds) == wanted
