"""Each switch of MANN and the LSTM is seen where it works, and nowhere else."""

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
from replications.mann.method import MannSettings

CELL = "mann/one-hot-5class"
SMALL = {"tasks.dataset": "glyphs", "method.units": 12, "method.locations": 9, "method.width": 4}
SEEN = {
    "controller": (THROUGHOUT, ()),
    "memory": (THROUGHOUT, ()),
    "units": (THROUGHOUT, (12, 13)),
    "locations": (THROUGHOUT, (9, 12)),
    "width": (THROUGHOUT, (4, 5)),
    "heads": (THROUGHOUT, (1, 2)),
    "usage_decay": (THROUGHOUT, (0.5, 0.99)),
    "forget_bias": (THROUGHOUT, (0.0, 1.0)),
    "optimiser": (TRAINING, ()),
    "learning_rate": (TRAINING, (1e-3, 1e-2)),
    "decay": (TRAINING, (0.5, 0.95)),
    "momentum": (TRAINING, (0.0, 0.9)),
    "epsilon": (TRAINING, (1e-4, 1e-2)),
    "centred": (TRAINING, ()),
}
"""Where each switch is seen; with its values, where they are not choices by name."""


@pytest.mark.parametrize("switch", switch_names(MannSettings))
def test_each_switch_is_seen_where_it_works(switch):
    _, tasks = smoke_method(CELL, "mann", SMALL)
    steps, test = [tasks.batch("train", 2 * i, 2) for i in range(3)], tasks.batch("train", 50, 20)
    make = maker(CELL, "mann", SMALL, heads=2, learning_rate=0.01)
    assert_seen(SEEN, MannSettings, switch, make, steps, test)
