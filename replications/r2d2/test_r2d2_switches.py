"""Each switch of R2-D2 is seen where it works, and nowhere else."""

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
from replications.r2d2.method import R2D2Settings

CELL = "r2d2/omniglot-5way-1shot"
SMALL = {
    "tasks.dataset": "glyphs",
    "tasks.train_ways": 10,
    "tasks.val_queries": 3,
    "tasks.test_queries": 3,
    "method.filters": [4, 4, 6, 6],
}
SEEN = {
    "filters": (THROUGHOUT, ([4, 4, 6, 6], [4, 4, 6, 8])),
    "leaky_slope": (THROUGHOUT, (0.1, 0.3)),
    "dropout": (TRAINING, (0.1, 0.4)),
    "batch_norm_scale": (THROUGHOUT, ()),
    "ridge": (THROUGHOUT, (1.0, 50.0)),
    "learn_ridge": (TRAINING, ()),
    "scale": (TRAINING, (1.0, 3.0)),
    "shots_min": (TRAINING, (1, 2)),
    "shots_max": (TRAINING, (2, 5)),
    "learning_rate": (TRAINING, (1e-3, 1e-2)),
    "halve_every": (TRAINING, (1, 2)),
}
"""Where each switch is seen; with its values, where they are not choices by name."""


@pytest.mark.parametrize("switch", switch_names(R2D2Settings))
def test_each_switch_is_seen_where_it_works(switch):
    _, tasks = smoke_method(CELL, "r2d2", SMALL)
    steps, test = [tasks.batch("train", i, 1) for i in range(3)], tasks.batch("val", 0, 20)
    make = maker(CELL, "r2d2", SMALL, learning_rate=0.05, ridge=1.0)
    assert_seen(SEEN, R2D2Settings, switch, make, steps, test)
