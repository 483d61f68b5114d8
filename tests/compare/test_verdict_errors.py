"""Wrong verdicts at the margin's edge are as rare as they should be, or named."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from harness.compare.margin import Printed, margin
from harness.compare.statistics import (
    mean_estimate,
    paired_estimate,
    seed_estimate,
    task_estimate,
)
from harness.compare.verdict import LEVEL, judge
from tests.compare.verdict_errors import (
    ALLOWED,
    KINDS,
    SEED_SDS,
    SEEDS,
    TASK_SD,
    TASKS,
    VALUE,
    Runs,
    draw,
    errors,
    own_interval,
    verdicts,
)

FEW = 20_000


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tasks", TASKS)
@pytest.mark.parametrize("sd", SEED_SDS)
def test_no_rate_is_above_nominal_or_the_row_says_what_it_does_not_cover(
    kind: str, tasks: int, sd: float
) -> None:
    for seeds in SEEDS:
        found = errors(seeds, tasks, sd, kind, FEW)
        if seeds >= 3 or not sd:
            assert found.worst <= ALLOWED
        assert found.worst <= ALLOWED or found.not_covered


def test_one_seed_says_nothing_of_another() -> None:
    found = errors(1, 10_000, 0.5, "none", FEW)
    assert found.reproduced > 0.3
    assert found.not_covered == "another seed (the verdict says `1 seed`)"


def test_a_margin_of_the_papers_own_interval_is_around_the_printed_number() -> None:
    found = errors(3, 10_000, 0.0, "ci95 large", FEW)
    assert found.reproduced <= ALLOWED < found.of_truth
    assert found.not_covered.startswith("the paper's own truth (its interval is the margin in 100%")


def test_without_the_printed_error_the_rate_would_be_too_high() -> None:
    number = KINDS["ci95 small"]
    made = draw(np.random.default_rng(0), FEW, 3, 10_000, 0.0, number)
    blind = replace(made, measured=made.measured + 1.0, printed_se=np.zeros(FEW))
    assert verdicts(blind, number)[0].mean() > 2 * LEVEL


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seeds", [1, 3])
def test_the_simulation_follows_the_rules_of_the_harness(kind: str, seeds: int) -> None:
    rng = np.random.default_rng(1)
    number = KINDS[kind]
    names = set()
    for difference in np.linspace(-1.2, 2.6, 25):
        task = rng.standard_normal(400) * TASK_SD / 4
        scores = VALUE + difference + task + 0.3 * rng.standard_normal((seeds, 1))
        found = judge("accuracy", margin(number), mean_estimate(scores))
        over = [task_estimate(scores), seed_estimate(scores)]
        stated = 0.0 if number.interval is None else number.interval / _counts(number)
        one = Runs(
            np.array([scores.mean()]),
            [(np.array([e.se**2]), e.df) for e in over if e is not None],
            np.array([number.value]),
            np.array([stated]),
        )
        [reproduced], [above] = verdicts(one, number)
        assert (found.name == "reproduced", found.name == "better") == (reproduced, above)
        assert found.margin == pytest.approx(own_interval(one, number)[1][0])
        names.add(found.name)
    assert {"reproduced", "inconclusive"} & names


@pytest.mark.parametrize(("seeds", "least", "most"), [(1, 0.3, 1.0), (3, 0.0, 0.07)])
def test_equal_methods_differ_by_their_seeds(seeds: int, least: float, most: float) -> None:
    """With one training a side two equal methods are told apart far too often: no p is shown."""
    rng, wrong, runs = np.random.default_rng(2), 0, 500
    for _ in range(runs):
        noise = rng.standard_normal((2, seeds, 600)) * 8
        a, b = noise + 0.6 * rng.standard_normal((2, seeds, 1))
        wrong += paired_estimate(a, b).p_zero() < 0.05
    assert least <= wrong / runs <= most


def _counts(number: Printed) -> float:
    return math.sqrt(number.seeds or 1) if number.kind == "std-seeds" else 1.96
