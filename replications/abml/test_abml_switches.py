"""Each switch is seen where it works, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from harness.paper_tests.smoke_plans import smoke_method
from harness.paper_tests.switch_effects import (
    TESTING,
    THROUGHOUT,
    TRAINING,
    Places,
    assert_seen,
    maker,
    switch_names,
    where_seen,
)
from replications.abml.cnp import CNPSettings
from replications.abml.method import ABMLSettings, MAMLSettings

CELL = "abml/delta-090-2000"
SMALL = {"tasks.support": 60, "tasks.query": 20}

CNP_SEEN: dict[str, tuple[Places, tuple[Any, ...]]] = {
    "width": (THROUGHOUT, (8, 16)),
    "encoder_layers": (THROUGHOUT, (1, 2)),
    "decoder_layers": (THROUGHOUT, (1, 2)),
    "learning_rate": (TRAINING, (0.01, 0.05)),
    "decay": (TRAINING, (0.5, 0.9)),
    "epsilon": (TRAINING, (1e-10, 1.0)),
    "norm_clip": (TRAINING, (0.1, 1000.0)),
    "first_pulls": (TESTING, (0, 20)),
}

MAML_SEEN: dict[str, tuple[Places, tuple[Any, ...]]] = {
    "hidden": (THROUGHOUT, ([8], [6])),
    "inner_steps": (THROUGHOUT, (1, 2)),
    "inner_rate": (THROUGHOUT, (0.001, 0.004)),
    "meta_rate": (TRAINING, (0.001, 0.01)),
    "scale": (THROUGHOUT, (50.0, 20.0)),
    "first_pulls": (TESTING, (0, 4)),
    "refit_every": (TESTING, (5, 40)),
}
ABML_SEEN: dict[str, tuple[Places, tuple[Any, ...]]] = MAML_SEEN | {
    "start_sd": (THROUGHOUT, (0.05, 0.5)),
    "likelihood_sd": (THROUGHOUT, (0.1, 0.2)),
    "hyper_shape": (TRAINING, (2.0, 3.0)),
    "hyper_rate": (TRAINING, (0.01, 0.1)),
}


def batches() -> tuple[list[Any], Any]:
    _, tasks = smoke_method(CELL, "uniform", SMALL)
    return [tasks.batch("train", 4 * i, 4) for i in range(3)], tasks.batch("val", 0, 4)


def test_the_arm_of_a_fixed_agent_is_seen_whenever_it_is_scored() -> None:
    make = maker(CELL, "uniform", SMALL)
    places = where_seen(make, "arm", ("uniform", "safe"), *batches())
    assert places == {THROUGHOUT - {"weights"}}


@pytest.mark.parametrize("switch", switch_names(CNPSettings))
def test_each_switch_of_the_cnp_is_seen_where_it_works(switch: str) -> None:
    make = maker(CELL, "cnp", SMALL)
    assert_seen(CNP_SEEN, CNPSettings, switch, make, *batches())


@pytest.mark.parametrize("switch", switch_names(MAMLSettings))
def test_each_switch_of_maml_is_seen_where_it_works(switch: str) -> None:
    make = maker(CELL, "maml", SMALL, hidden=[8])
    assert_seen(MAML_SEEN, MAMLSettings, switch, make, *batches())


@pytest.mark.parametrize("switch", switch_names(ABMLSettings))
def test_each_switch_of_abml_is_seen_where_it_works(switch: str) -> None:
    make = maker(CELL, "abml", SMALL, hidden=[8])
    assert_seen(ABML_SEEN, ABMLSettings, switch, make, *batches())
