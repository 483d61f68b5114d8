"""No engine has lost a factor of two: on one small case, as a ratio to engine `loop`.

Seconds say little on a busy machine with another processor; ratios of calls made in turn do. What
is expected is in `tests/bench/expected_ratios.toml`.
"""

from __future__ import annotations

import pytest

from harness.meta_gradient.engines import DEFAULT
from tests.bench.interleave import Ratio
from tests.bench.speed_ratio import REFERENCE, expected, lost, measure, work

TWICE = "twice"


@pytest.fixture(scope="module")
def timings():
    """All in one go: the engines that have an expected ratio, and the default doing all twice."""
    once = work(DEFAULT)

    def twice():
        once()
        once()

    return measure(expected(), least_rounds=7, budget_s=5.0, **{TWICE: twice})


@pytest.mark.parametrize("name", expected())
def test_no_factor_of_two_is_lost(timings, name):
    measured, wanted = timings.ratio(REFERENCE, name), expected()[name]
    assert not lost(wanted, measured), (
        f"engine {name} is {measured.median:.2f} times as fast as {REFERENCE} "
        f"(quartiles {measured.low:.2f} to {measured.high:.2f}), expected {wanted:.2f}"
    )


def test_a_default_that_takes_twice_as_long_would_be_seen(timings):
    here = timings.ratio(REFERENCE, DEFAULT)
    assert lost(here.median, timings.ratio(REFERENCE, TWICE))


def test_what_counts_as_lost():
    assert lost(2.0, Ratio(1.0, 1.0, 1.0))
    assert lost(2.0, Ratio(1.15, 1.0, 1.3))
    assert not lost(2.0, Ratio(1.3, 1.0, 1.5))
    assert not lost(2.0, Ratio(4.0, 4.0, 4.0))


def test_the_default_engine_is_among_those_compared():
    assert DEFAULT in expected()
    assert REFERENCE not in expected()
    assert all(ratio > 0 for ratio in expected().values())
