from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from harness.explain.effect import effect, nested_effect

RNG = np.random.default_rng(0)


def test_a_paired_effect_is_the_paired_t_test():
    here = RNG.normal(90, 8, 40)
    instead = here - 2 + RNG.normal(0, 1, 40)
    estimate, wanted = effect(here, instead), scipy.stats.ttest_rel(instead, here)
    assert estimate.value == pytest.approx(instead.mean() - here.mean())
    assert estimate.interval() == pytest.approx(tuple(wanted.confidence_interval(0.95)))
    assert estimate.p_zero() == pytest.approx(wanted.pvalue)


def test_what_both_sides_share_does_not_widen_the_interval():
    # Tasks differ by 8 points, the effect by 1: its standard error is 1 / sqrt(tasks).
    shared = RNG.normal(90, 8, 100_000)
    estimate = effect(shared, shared - 2 + RNG.normal(0, 1, 100_000))
    assert estimate.se == pytest.approx(1 / math.sqrt(100_000), rel=0.02)


def test_no_change_is_exactly_no_effect():
    x = RNG.normal(90, 8, 40)
    estimate = effect(x, x.copy())
    assert (estimate.value, estimate.se, estimate.half_width(), estimate.p_zero()) == (0, 0, 0, 1)


@pytest.mark.parametrize("longer_instead", [True, False])
def test_a_nested_effect_has_the_variance_of_what_is_not_shared(longer_instead):
    long = RNG.normal(90, 8, 50)
    short, rest = long[:20], long[20:]
    pair = (short, long) if longer_instead else (long, short)
    estimate = nested_effect(*pair)
    assert estimate.value == pytest.approx(pair[1].mean() - pair[0].mean())
    # mean(long) - mean(short) = 30/50 (mean(rest) - mean(short)), two independent means.
    variance = 0.6**2 * (rest.var(ddof=1) / 30 + short.var(ddof=1) / 20)
    assert estimate.se == pytest.approx(math.sqrt(variance))
    welch = scipy.stats.ttest_ind(rest, short, equal_var=False)
    assert estimate.df == pytest.approx(welch.df)
    assert estimate.p_zero() == pytest.approx(welch.pvalue)
