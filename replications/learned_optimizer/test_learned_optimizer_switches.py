"""Each switch of the learned optimiser is seen where it works, and nowhere else."""

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
from replications.learned_optimizer.method import LearnedSettings

CELL = "learned_optimizer/quadratics-uniform"
SMALL = {"training.validation_metric": "loss@12"}
SHORT = {
    "units": [5, 4],
    "steps": 12,
    "unroll": 4,
    "learning_rate": 0.01,
    "schedule": "cosine",
    "schedule_iterations": 30,
    "report_every": 3,
}
SEEN = {
    "units": (THROUGHOUT, ([5, 4], [4, 4])),
    "steps": (TESTING, (12, 24)),
    "unroll": (TRAINING, (4, 6)),
    "gradient_divisor": (THROUGHOUT, (1, 128)),
    "learning_rate": (TRAINING, (1e-3, 1e-2)),
    "schedule": (TRAINING, ()),
    "schedule_iterations": (TRAINING, (10, 30)),
    "report_every": (TESTING, (3, 4)),
}
"""Where each switch is seen; with its values, where they are not choices by name."""


@pytest.mark.parametrize("switch", switch_names(LearnedSettings))
def test_each_switch_is_seen_where_it_works(switch):
    _, tasks = smoke_method(CELL, "lstm", SMALL | {f"method.{k}": v for k, v in SHORT.items()})
    steps, test = [tasks.batch("train", 0, 4)] * 3, tasks.batch("val", 0, 20)
    make = maker(CELL, "lstm", SMALL, **SHORT)
    assert_seen(SEEN, LearnedSettings, switch, make, steps, test)
