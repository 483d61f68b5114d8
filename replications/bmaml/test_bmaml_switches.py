"""Each switch of BMAML and EMAML is seen where it works, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from harness.paper_tests.smoke_plans import smoke_method
from harness.paper_tests.switch_effects import (
    LOSSES,
    TESTING,
    THROUGHOUT,
    TRAINING,
    Places,
    assert_seen,
    maker,
    switch_names,
    where_seen,
)
from replications.bmaml.method import BMAMLSettings, ParticleSettings

CELL = "bmaml/sinusoid-100-tasks-5shot"
SHORT = {"particles": 3, "hidden": [12, 12], "test_steps": 2, "decay_every": 1}
BOTH: dict[str, tuple[Places, tuple[Any, ...]]] = {
    "particles": (THROUGHOUT, (2, 3)),
    "hidden": (THROUGHOUT, ([12], [12, 12])),
    "meta_rate": (TRAINING, (0.001, 0.01)),
    "rate_decay": (TRAINING, (0.5, 1.0)),
    "decay_every": (TRAINING, (1, 1000)),
    "inner_steps": (TRAINING, (1, 2)),
    "inner_rate": (THROUGHOUT, (0.001, 0.003)),
    "test_steps": (TESTING, (2, 3)),
}
BMAML_SEEN: dict[str, tuple[Places, tuple[Any, ...]]] = BOTH | {
    "leader_steps": (TRAINING, (1, 2)),
    # Of a single step of the leader: it multiplies the loss, and Adam takes factors away.
    "leader_rate": (frozenset({LOSSES}), (0.001, 0.003)),
    "repulsion": (THROUGHOUT, (0.0, 100.0)),
    "noise_shape": (THROUGHOUT, (2.0, 200.0)),
    "noise_rate": (THROUGHOUT, (0.2, 2.0)),
    "noise_start": (THROUGHOUT, (10.0, 100.0)),
    "weight_shape": (THROUGHOUT, (2.0, 200.0)),
    "weight_rate": (THROUGHOUT, (2.0, 200.0)),
    "weight_start": (THROUGHOUT, (1.0, 10.0)),
}


def batches() -> tuple[list[Any], Any]:
    _, tasks = smoke_method(CELL, "maml", {})
    return [tasks.batch("train", 4 * i, 4) for i in range(3)], tasks.batch("val", 0, 4)


@pytest.mark.parametrize("switch", switch_names(BMAMLSettings))
def test_each_switch_of_bmaml_is_seen_where_it_works(switch: str) -> None:
    make = maker(CELL, "bmaml", {}, **SHORT)
    assert_seen(BMAML_SEEN, BMAMLSettings, switch, make, *batches())


@pytest.mark.parametrize("switch", switch_names(ParticleSettings))
def test_each_switch_of_emaml_is_seen_where_it_works(switch: str) -> None:
    make = maker(CELL, "emaml", {}, **SHORT)
    assert_seen(BOTH, ParticleSettings, switch, make, *batches())


def test_one_particle_is_not_kept_apart() -> None:
    make = maker(CELL, "bmaml", {}, **(SHORT | {"particles": 1}))
    assert where_seen(make, "repulsion", (0.0, 100.0), *batches()) == {frozenset()}


def test_the_rate_of_a_leader_of_two_steps_is_seen_in_what_is_learned() -> None:
    make = maker(CELL, "bmaml", {}, **SHORT, leader_steps=2)
    assert where_seen(make, "leader_rate", (0.001, 0.01), *batches()) == {TRAINING}


def test_without_a_leader_nothing_is_learned() -> None:
    """A leader without a step is where the follower is: the loss is 0, and Adam has no way."""
    make = maker(CELL, "bmaml", {}, **(SHORT | {"leader_rate": 0.0}))
    assert where_seen(make, "meta_rate", (0.001, 0.01), *batches()) == {frozenset()}
