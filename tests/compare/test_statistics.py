import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from harness.compare.statistics import (
    Estimate,
    equivalence_p,
    mean_estimate,
    paired_estimate,
    seed_estimate,
    task_estimate,
)
from harness.errors import HarnessError

RNG = np.random.default_rng(0)
FINITE = st.floats(-1e6, 1e6)


def test_one_seed_is_the_t_interval_over_tasks() -> None:
    x = RNG.normal(50, 10, (1, 30))
    low, high = scipy.stats.t.interval(0.95, 29, x.mean(), scipy.stats.sem(x[0]))
    assert mean_estimate(x).interval() == pytest.approx((low, high))
    assert mean_estimate(x) == task_estimate(x)
    assert seed_estimate(x) is None


def test_seed_interval_is_the_t_interval_over_seed_means() -> None:
    x = RNG.normal(50, 10, (4, 30))
    means = x.mean(axis=1)
    low, high = scipy.stats.t.interval(0.95, 3, means.mean(), scipy.stats.sem(means))
    found = seed_estimate(x)
    assert found is not None
    assert found.interval() == pytest.approx((low, high))


def test_both_parts_add_with_satterthwaite_degrees_of_freedom() -> None:
    x = RNG.normal(50, 10, (3, 20)) + RNG.normal(0, 3, (3, 1))
    tasks = x.mean(axis=0).var(ddof=1) / 20
    seeds = x.mean(axis=1).var(ddof=1) / 3
    found = mean_estimate(x)
    assert found.value == pytest.approx(x.mean())
    assert found.se**2 == pytest.approx(tasks + seeds)
    assert found.df == pytest.approx((tasks + seeds) ** 2 / (tasks**2 / 19 + seeds**2 / 2))


def test_a_pair_with_one_seed_a_side_is_the_paired_t_test() -> None:
    a, b = RNG.normal(50, 10, (1, 25)), RNG.normal(48, 10, (1, 25))
    wanted = scipy.stats.ttest_rel(a[0], b[0])
    found = paired_estimate(a, b)
    assert found.p_zero() == pytest.approx(wanted.pvalue)
    assert found.interval() == pytest.approx(tuple(wanted.confidence_interval(0.95)))


def test_a_pair_with_several_seeds_adds_their_parts() -> None:
    a, b = RNG.normal(50, 10, (3, 25)), RNG.normal(48, 10, (2, 25))
    parts = [
        (a.mean(axis=0) - b.mean(axis=0)).var(ddof=1) / 25,
        a.mean(axis=1).var(ddof=1) / 3,
        b.mean(axis=1).var(ddof=1) / 2,
    ]
    assert paired_estimate(a, b).se ** 2 == pytest.approx(sum(parts))


def test_tests_of_the_same_weights_are_paired_by_seed_too() -> None:
    """Seeds that differ much, and a difference that is the same in each."""
    noise = np.random.default_rng(0).normal(0, 0.1, (3, 200))
    b = np.array([[70.0], [80.0], [90.0]]) + np.random.default_rng(1).normal(0, 5, (1, 200))
    apart, paired = (paired_estimate(b + 1 + noise, b, same) for same in (False, True))
    assert apart.half_width() > 10
    wanted = scipy.stats.ttest_1samp((1 + noise).mean(1), 0).confidence_interval(0.95)
    assert paired.half_width() == pytest.approx((wanted.high - wanted.low) / 2, rel=0.2)
    assert paired.value == pytest.approx(1, abs=0.05)


def test_a_pair_needs_the_same_tasks() -> None:
    with pytest.raises(HarnessError, match="found 3 and 4 tasks"):
        paired_estimate(np.zeros((1, 3)), np.zeros((1, 4)))


def test_one_task_gives_no_interval() -> None:
    with pytest.raises(HarnessError, match="found 1 test tasks, wanted two or more"):
        task_estimate(np.zeros((3, 1)))


@given(FINITE, st.floats(0, 1e3), st.floats(1, 1e4), st.floats(0, 1e3))
def test_equivalence_is_the_90_percent_interval_inside_the_margin(
    value: float, se: float, df: float, margin: float
) -> None:
    found = Estimate(value, se, df)
    low, high = found.interval(0.90)
    if min(abs(low + margin), abs(high - margin)) > 1e-6 * (1 + abs(value) + se + margin):
        assert (equivalence_p(found, margin) < 0.05) == (-margin < low and high < margin)


@given(FINITE, st.floats(0, 1e3), st.floats(1, 1e4), FINITE)
def test_one_sided_p_values_mirror(value: float, se: float, df: float, bound: float) -> None:
    found = Estimate(value, se, df)
    assert 0 <= found.p_greater(bound) <= 1
    if se > 0:
        assert found.p_greater(bound) + found.p_less(bound) == pytest.approx(1)
    assert found.p_less(bound) == Estimate(-value, se, df).p_greater(-bound)
    assert 0 <= found.p_zero() <= 1


@given(st.integers(1, 4), st.integers(2, 6), st.data())
def test_intervals_are_finite_and_at_least_as_wide_as_the_tasks_part(
    seeds: int, tasks: int, data: st.DataObject
) -> None:
    x = np.array(data.draw(st.lists(FINITE, min_size=seeds * tasks, max_size=seeds * tasks)))
    x = x.reshape(seeds, tasks)
    found = mean_estimate(x)
    assert math.isfinite(found.half_width())
    assert found.se >= task_estimate(x).se
    assert found.df > 0


def test_no_spread_needs_no_t() -> None:
    sure = mean_estimate(np.full((2, 5), 100.0))
    assert sure.interval() == (100.0, 100.0)
    assert equivalence_p(Estimate(0.5, 0.0, 4), 1.0) == 0
    assert equivalence_p(Estimate(1.5, 0.0, 4), 1.0) == 1
    assert Estimate(0.0, 0.0, 4).p_zero() == 1
    assert Estimate(0.1, 0.0, 4).p_zero() == 0


def simulate(
    rng: np.random.Generator, seeds: int, tasks: int, mean: float, seed_sd: float
) -> np.ndarray:
    """Scores [seeds, tasks] = mean + seed effect + task effect (sd 5) + noise (sd 3)."""
    effects = rng.normal(0, seed_sd, (seeds, 1)) + rng.normal(0, 5, (1, tasks))
    return mean + effects + rng.normal(0, 3, (seeds, tasks))


@pytest.mark.parametrize(("seeds", "seed_sd"), [(1, 0.0), (2, 0.0), (3, 0.0), (3, 0.5), (5, 1.0)])
def test_intervals_cover_at_least_95_percent(seeds: int, seed_sd: float) -> None:
    rng = np.random.default_rng(1)
    hits = [
        low <= 60 <= high
        for low, high in (
            mean_estimate(simulate(rng, seeds, 60, 60, seed_sd)).interval() for _ in range(2000)
        )
    ]
    # Three standard errors of a share of 2000 are 1.5 points; above 95 % is the careful side.
    assert 0.935 < np.mean(hits) < (0.965 if seeds == 1 else 0.995)


@pytest.mark.parametrize(("seeds", "least"), [(2, 0.85), (3, 0.90), (5, 0.93)])
def test_few_seeds_that_differ_much_cover_as_little_as_the_docstring_says(
    seeds: int, least: float
) -> None:
    rng = np.random.default_rng(4)
    hits = [
        low <= 60 <= high
        for low, high in (
            mean_estimate(simulate(rng, seeds, 60, 60, 4.0)).interval() for _ in range(2000)
        )
    ]
    assert least < np.mean(hits) < 0.96


@pytest.mark.parametrize(("seeds", "seed_sd"), [(1, 0.0), (3, 0.5), (5, 0.3)])
@pytest.mark.parametrize("side", [-1, 1])
def test_equivalence_at_the_margin_is_found_in_5_percent_at_most(
    seeds: int, seed_sd: float, side: int
) -> None:
    rng = np.random.default_rng(2)
    found = [
        equivalence_p(mean_estimate(simulate(rng, seeds, 200, side, seed_sd)), 1.0) < 0.05
        for _ in range(2000)
    ]
    assert np.mean(found) < 0.065
    if seeds == 1:
        assert np.mean(found) > 0.035


def test_paired_intervals_cover_where_unpaired_ones_are_wasteful() -> None:
    rng = np.random.default_rng(3)
    hits, narrow = [], []
    for _ in range(1500):
        task = rng.normal(0, 5, (1, 50))
        a = 61 + task + rng.normal(0, 1, (1, 50))
        b = 60 + task + rng.normal(0, 1, (1, 50))
        found = paired_estimate(a, b)
        low, high = found.interval()
        hits.append(low <= 1 <= high)
        narrow.append(found.se < 0.5 * math.hypot(task_estimate(a).se, task_estimate(b).se))
    assert 0.933 < np.mean(hits) < 0.967
    assert np.mean(narrow) > 0.95
