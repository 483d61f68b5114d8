"""Each switch of ANIL is seen where it works, and nowhere else."""

from __future__ import annotations

import pytest

from harness.paper_tests.smoke_plans import smoke_method
from harness.paper_tests.switch_effects import (
    TESTING,
    THROUGHOUT,
    TRAINING,
    assert_seen,
    maker,
    switch_names,
)
from replications.anil.method import AnilSettings

CELL = "anil/mini-imagenet-5way-1shot"
SMALL = {
    "tasks.dataset": "textures",
    "tasks.image_size": 16,
    "tasks.resize_filter": "none",
    "tasks.train_queries": 3,
    "method.filters": 4,
    "method.test_steps": 2,
}
SEEN = {
    "network": (THROUGHOUT, ()),
    "filters": (THROUGHOUT, (4, 5)),
    "order": (TRAINING, ()),
    "frozen_layers": (TRAINING, (0, 1, 4)),
    "inner_steps": (TRAINING, (1, 2)),
    "inner_rate": (THROUGHOUT, (0.01, 0.1)),
    "inner_loss": (THROUGHOUT, ()),
    "outer_clip": (TRAINING, (1e-9, 10.0)),
    "meta_rate": (TRAINING, (1e-3, 1e-2)),
    "test_frozen_layers": (TESTING, (0, 2, 4)),
    "test_head": (TESTING, ()),
    "test_steps": (TESTING, (2, 3)),
}
"""Where each switch is seen; with its values, where they are not choices by name."""


@pytest.mark.parametrize("switch", switch_names(AnilSettings))
def test_each_switch_is_seen_where_it_works(switch):
    _, tasks = smoke_method(CELL, "anil", SMALL)
    steps, test = [tasks.batch("train", 2 * i, 2) for i in range(2)], tasks.batch("train", 50, 5)
    make = maker(CELL, "anil", SMALL, "func", frozen_layers=0, test_frozen_layers=0)
    assert_seen(SEEN, AnilSettings, switch, make, steps, test)
