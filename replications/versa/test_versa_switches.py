"""Each switch of VERSA is seen where it works, and nowhere else."""

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
from replications.versa.method import VersaSettings

CELL = "versa/omniglot-5way-1shot"
SMALL = {"tasks.dataset": "glyphs", "method.filters": 4}
SEEN = {
    "filters": (THROUGHOUT, (4, 5)),
    "blocks": (THROUGHOUT, (2, 3)),
    "pool_padding": (THROUGHOUT, ()),
    "dropout_keep": (TRAINING, (0.5, 0.9)),
    "samples": (TRAINING, (2, 5)),
    "learning_rate": (TRAINING, (1e-4, 1e-2)),
    "test_samples": (TESTING, (1, 10)),
    "test_average": (TESTING, ()),
}
"""Where each switch is seen; with its values, where they are not choices by name."""


@pytest.mark.parametrize("switch", switch_names(VersaSettings))
def test_each_switch_is_seen_where_it_works(switch):
    _, tasks = smoke_method(CELL, "versa", SMALL)
    steps, test = [tasks.batch("train", 2 * i, 2) for i in range(3)], tasks.batch("val", 0, 20)
    make = maker(CELL, "versa", SMALL)
    assert_seen(SEEN, VersaSettings, switch, make, steps, test)
