"""Each switch of CNAPs is seen where it works, and nowhere else."""

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
from replications.cnaps.method import CnapsSettings

CELL = "cnaps/omniglot-5way-1shot"
SMALL = {
    "tasks.dataset": "glyphs",
    "method.widths": [6, 8, 4],
    "method.encoder_filters": 5,
    "method.encoder_blocks": 2,
}
SEEN = {
    "widths": (THROUGHOUT, ([6, 8, 4], [6, 8, 5])),
    "encoder_filters": (THROUGHOUT, (4, 5)),
    "encoder_blocks": (THROUGHOUT, (1, 2)),
    "adaptation": (THROUGHOUT, ()),
    "film_penalty": (TRAINING, (0.0, 100.0)),
    "learning_rate": (TRAINING, (1e-3, 1e-2)),
    "pretrain_iterations": (TRAINING, (1, 2)),
    "pretrain_rate": (TRAINING, (1e-3, 1e-1)),
}
"""Where each switch is seen; with its values, where they are not choices by name."""


@pytest.mark.parametrize("switch", switch_names(CnapsSettings))
def test_each_switch_is_seen_where_it_works(switch):
    _, tasks = smoke_method(CELL, "film", SMALL)
    steps, test = [tasks.batch("train", 2 * i, 2) for i in range(4)], tasks.batch("val", 0, 20)
    make = maker(CELL, "film", SMALL, pretrain_iterations=1, learning_rate=0.05)
    assert_seen(SEEN, CnapsSettings, switch, make, steps, test)
