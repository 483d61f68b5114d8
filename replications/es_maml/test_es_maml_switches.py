"""Each switch of ES-MAML is seen where it works, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from harness.paper_tests.smoke_plans import smoke_method
from harness.paper_tests.switch_effects import (
    THROUGHOUT,
    TRAINING,
    Places,
    assert_seen,
    maker,
    switch_names,
    where_seen,
)
from replications.es_maml.method import ESMAMLSettings

CELL = "es_maml/square"
SHORT = {"queries": 3, "pairs": 8}
SEEN: dict[str, tuple[Places, tuple[Any, ...]]] = {
    "adaptation": (THROUGHOUT, ()),
    "queries": (THROUGHOUT, (2, 3)),
    "adaptation_sigma": (THROUGHOUT, (0.1, 0.5)),
    "adaptation_rate": (THROUGHOUT, (0.05, 0.5)),
    "pairs": (TRAINING, (4, 8)),
    "sigma": (TRAINING, (0.1, 0.5)),
    "rate": (TRAINING, (0.01, 0.5)),
}


def batches() -> tuple[list[Any], Any]:
    _, tasks = smoke_method(CELL, "monte-carlo", {})
    return [tasks.batch("train", 21 * i, 21) for i in range(3)], tasks.batch("val", 0, 16)


@pytest.mark.parametrize("switch", switch_names(ESMAMLSettings))
def test_each_switch_is_seen_where_it_works(switch: str) -> None:
    make = maker(CELL, "monte-carlo", {}, **SHORT)
    assert_seen(SEEN, ESMAMLSettings, switch, make, *batches())


def test_hill_climbing_takes_no_step_along_a_gradient() -> None:
    make = maker(CELL, "hill-climbing", {}, **SHORT)
    assert where_seen(make, "adaptation_rate", (0.05, 0.5), *batches()) == {frozenset()}


def test_the_walk_of_a_bound_is_seen_whenever_it_is_scored() -> None:
    make = maker(CELL, "stay", {})
    walks = ("to-the-goal", "one-corner", "stay")
    assert where_seen(make, "walk", walks, *batches()) == {THROUGHOUT - {"weights"}}
