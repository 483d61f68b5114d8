import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compare.statistics import Estimate
from harness.compare.verdict import judge, margin


@pytest.mark.parametrize(
    ("metric", "value", "interval", "kind", "wanted"),
    [
        ("accuracy", 98.7, 0.4, "95% CI over test tasks", 1.0),
        ("accuracy@3", 48.7, 1.84, "95% CI over test tasks", 1.84),
        ("accuracy", 98.7, None, "none reported", 1.0),
        ("mse@1", 0.67, None, "none reported", 0.067),
        ("mse@1", 0.67, 0.2, "95% CI", 0.2),
        ("loss@5", -2.0, None, "none reported", 0.2),
        ("accuracy", 50.0, 12.0, "standard deviation over test tasks", 1.0),
        ("accuracy", 50.0, 12.0, "sd over seeds", 1.0),
        ("accuracy", 46.9, 12.0, "std over 3 training seeds", 1.0),
        ("accuracy", 46.9, 12.0, "std over 3 seeds (author correspondence)", 1.0),
    ],
)
def test_margin_is_the_larger_of_interval_and_default(
    metric: str, value: float, interval: float | None, kind: str, wanted: float
) -> None:
    assert margin(metric, value, interval, kind) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("metric", "measured", "se", "name", "words"),
    [
        ("accuracy", 95.2, 0.2, "reproduced", "within the margin"),
        ("accuracy", 95.0, 2.0, "inconclusive", "more seeds or tasks"),
        ("accuracy", 96.1, 0.2, "inconclusive", "too wide to tell"),
        ("accuracy", 98.0, 0.2, "above", "better than the paper"),
        ("accuracy", 92.0, 0.2, "below", "worse than the paper"),
        ("mse@1", 98.0, 0.2, "above", "worse than the paper"),
        ("mse@1", 92.0, 0.2, "below", "better than the paper"),
    ],
)
def test_verdicts(metric: str, measured: float, se: float, name: str, words: str) -> None:
    found = judge(metric, 95.0, 1.0, Estimate(measured, se, 599))
    assert found.name == name
    assert words in found.reason


def test_the_reason_has_the_numbers() -> None:
    found = judge("accuracy", 95.0, 1.0, Estimate(98.0, 0.0, 599))
    assert "difference +3.00, 90 % CI [+3.00, +3.00], margin ±1.00" in found.reason
    assert found.difference == 3.0
    assert found.difference_interval == (3.0, 3.0)


@given(st.floats(-50, 50), st.floats(1e-6, 20), st.floats(1, 1e4), st.floats(0.01, 20))
def test_verdicts_follow_the_90_percent_interval_and_mirror(
    difference: float, se: float, df: float, room: float
) -> None:
    found = judge("accuracy", 0.0, room, Estimate(difference, se, df))
    assert found.difference_interval is not None
    low, high = found.difference_interval
    if min(abs(abs(low) - room), abs(abs(high) - room)) < 1e-6 * (1 + abs(low) + abs(high)):
        return
    inside, outside = -room < low and high < room, high < -room or low > room
    wanted = ("above" if difference > 0 else "below") if outside else "inconclusive"
    assert found.name == ("reproduced" if inside else wanted)
    mirror = judge("accuracy", 0.0, room, Estimate(-difference, se, df))
    swap = {"above": "below", "below": "above"}
    assert mirror.name == swap.get(found.name, found.name)
