"""Each switch of Meta-SGD is seen where it works, and nowhere else."""

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
from replications.meta_sgd.method import MetaSGDSettings

CELL = "meta_sgd/omniglot-5way-1shot"
SMALL = {"tasks.dataset": "glyphs", "tasks.train_queries": 3, "method.hidden": [8] * 4}
SEEN = {
    "hidden": (THROUGHOUT, ([4] * 4, [8] * 4)),
    "rate_min": (THROUGHOUT, (0.005, 0.05)),
    "rate_max": (THROUGHOUT, (0.1, 0.5)),
    "rate_draws": (THROUGHOUT, ()),
    "learn_rates": (TRAINING, ()),
    "order": (TRAINING, ()),
    "meta_rate": (TRAINING, (1e-3, 1e-2)),
}
"""Where each switch is seen; with its values, where they are not choices by name."""
REFUSED = {"network", "loss"}
"""What goes with the kind of tasks: test_meta_sgd.py has what is refused."""


@pytest.mark.parametrize("switch", [s for s in switch_names(MetaSGDSettings) if s not in REFUSED])
def test_each_switch_is_seen_where_it_works(switch):
    _, tasks = smoke_method(CELL, "meta-sgd", SMALL)
    steps, test = [tasks.batch("train", 2 * i, 2) for i in range(3)], tasks.batch("train", 50, 20)
    make = maker(CELL, "meta-sgd", SMALL, "func")
    assert_seen(SEEN, MetaSGDSettings, switch, make, steps, test)
