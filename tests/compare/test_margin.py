"""The margin around a printed number, and the printed number's own error."""

import math

import pytest

from harness.compare.margin import Printed, margin, printed_error
from harness.interval_kinds import KINDS, kind_words


@pytest.mark.parametrize(
    ("metric", "value", "wanted"),
    [
        ("accuracy", 48.7, 1.0),
        ("accuracy", 97.0, 1.0),
        ("accuracy@3", 98.5, 0.5),
        ("accuracy", 99.7, 0.1),
        ("accuracy", 99.9, 0.05),
        ("accuracy", 100.0, 0.05),
        ("mse@1", 0.67, 0.067),
        ("loss@5", -2.0, 0.2),
    ],
)
def test_default_margin(metric: str, value: float, wanted: float) -> None:
    found = margin(Printed(metric, value))
    assert found.size == pytest.approx(wanted)
    assert (found.printed.value, found.printed.se) == (value, 0)
    assert found.words == "the printed number's own error is not known (no ± is printed)"


@pytest.mark.parametrize(
    ("kind", "seeds", "episodes", "se", "df"),
    [
        ("ci95", None, None, 0.5 / 1.96, math.inf),
        ("sem", None, None, 0.5, math.inf),
        ("std-seeds", 3, None, 0.5 / math.sqrt(3), 2),
        ("std-tasks", None, 400, 0.025, 399),
        ("bound", None, None, 0.5 / math.sqrt(3), math.inf),
    ],
)
def test_standard_error_by_kind(
    kind: str, seeds: int | None, episodes: int | None, se: float, df: float
) -> None:
    number = Printed("accuracy", 60.0, 0.5, kind, seeds, episodes)
    assert printed_error(number) == (pytest.approx(se), df)
    found = margin(number)
    assert (found.size, found.printed.se, found.printed.df) == (1.0, pytest.approx(se), df)
    assert "with the printed number's own standard error" in found.words


@pytest.mark.parametrize(
    ("kind", "seeds", "why"),
    [
        ("unknown", None, "what its ± means is not said"),
        ("std-seeds", None, "its ± is a standard deviation over seeds, how many is not said"),
        ("std-seeds", 1, "its ± is a standard deviation over seeds, one alone has none"),
        ("std-tasks", None, "its ± is a standard deviation over test tasks, how many is not said"),
    ],
)
def test_an_error_that_is_not_known_stays_out_and_is_named(
    kind: str, seeds: int | None, why: str
) -> None:
    found = margin(Printed("accuracy", 60.0, 12.0, kind, seeds))
    assert (found.size, found.printed.se) == (1.0, 0)
    assert found.words == f"the printed number's own error is not known ({why})"


@pytest.mark.parametrize(
    ("kind", "seeds", "episodes", "interval", "size"),
    [
        ("ci95", None, 600, 1.84, 1.84),
        ("sem", None, None, 1.0, 1.96),
        ("std-seeds", 4, None, 2.0, 1.96),
        ("std-tasks", None, 100, 10.0, 1.96),
    ],
)
def test_an_interval_wider_than_the_default_is_the_margin(
    kind: str, seeds: int | None, episodes: int | None, interval: float, size: float
) -> None:
    found = margin(Printed("accuracy", 60.0, interval, kind, seeds, episodes))
    assert (found.size, found.printed.se) == (pytest.approx(size), 0)
    assert found.words == "the margin is the paper's own interval"


def test_a_bound_is_never_the_margin() -> None:
    found = margin(Printed("loss@10", 1.0, 0.3, "bound"))
    assert (found.size, found.printed.se) == (0.1, pytest.approx(0.3 / math.sqrt(3)))


def test_kinds_in_words() -> None:
    assert kind_words("std-seeds", seeds=3) == "standard deviation over 3 seeds"
    assert kind_words("ci95", episodes=10_000) == "95 % interval over 10,000 test tasks"
    assert kind_words("std-tasks") == "standard deviation over test tasks"
    assert {kind_words(k) for k in KINDS} == set(KINDS.values())
