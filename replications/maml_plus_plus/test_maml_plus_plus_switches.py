"""Each switch of MAML++ is seen where it works, and nowhere else."""

from __future__ import annotations

import pytest

from harness.paper_tests.smoke_plans import smoke_method
from harness.paper_tests.switch_effects import (
    THROUGHOUT,
    TRAINING,
    assert_seen,
    maker,
    switch_names,
)
from replications.maml_plus_plus.method import FirstNetworkSettings, MamlPlusPlusSettings

CELL = "maml_plus_plus/omniglot-5way-1shot"
SMALL = {"tasks.dataset": "glyphs", "method.filters": 4, "training.validation_metric": "accuracy@1"}
SHORT = {
    "steps": 2,
    "epoch": 1,
    "multi_step_epochs": 2,
    "first_order_epochs": 1,
    "annealing_epochs": 4,
}
SEEN = {
    "filters": (THROUGHOUT, (4, 5)),
    "order": (TRAINING, ()),
    "steps": (THROUGHOUT, (1, 2)),
    "inner_rate": (THROUGHOUT, (0.1, 0.2)),
    "learn_rates": (TRAINING, ()),
    "norms_per_step": (TRAINING, ()),
    "epoch": (TRAINING, (1, 2)),
    "multi_step_epochs": (TRAINING, (0, 2)),
    "first_order_epochs": (TRAINING, (0, 1)),
    "meta_rate": (TRAINING, (1e-3, 1e-2)),
    "meta_rate_end": (TRAINING, (1e-5, 1e-3)),
    "annealing_epochs": (TRAINING, (2, 4)),
    "clip_value": (TRAINING, (0.0, 1e-4)),
}
"""Where each switch is seen; with its values, where they are not choices by name."""


OF_THE_FIRST_NETWORK = {
    "start": (THROUGHOUT, ()),
    "rectified_input": (THROUGHOUT, ()),
    "multi_step_stays": (TRAINING, ()),
}


@pytest.mark.parametrize("switch", switch_names(MamlPlusPlusSettings))
def test_each_switch_is_seen_where_it_works(switch):
    _, tasks = smoke_method(CELL, "maml-plus-plus", SMALL)
    steps, test = [tasks.batch("train", i, 1) for i in range(4)], tasks.batch("train", 50, 10)
    make = maker(CELL, "maml-plus-plus", SMALL, "func", **SHORT)
    assert_seen(SEEN, MamlPlusPlusSettings, switch, make, steps, test)


@pytest.mark.parametrize("switch", sorted(OF_THE_FIRST_NETWORK))
def test_each_switch_of_the_first_network_is_seen_where_it_works(switch):
    own = set(switch_names(FirstNetworkSettings)) - set(switch_names(MamlPlusPlusSettings))
    assert own == OF_THE_FIRST_NETWORK.keys()
    _, tasks = smoke_method(CELL, "maml-plus-plus-2018-10-21", SMALL)
    steps, test = [tasks.batch("train", i, 1) for i in range(4)], tasks.batch("train", 50, 20)
    make = maker(CELL, "maml-plus-plus-2018-10-21", SMALL, "func", **SHORT)
    assert_seen(OF_THE_FIRST_NETWORK, FirstNetworkSettings, switch, make, steps, test)
