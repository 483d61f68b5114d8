"""Each switch of both baselines is seen where it works, and nowhere else."""

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
    where_seen,
)
from replications.closer_look.method import BaselineSettings

CELL = "closer_look/mini-imagenet-5way-1shot"
SMALL = {"tasks.dataset": "textures", "tasks.image_size": 16, "method.filters": 4}
SHORT = {"learning_rate": 0.01, "test_rate": 1.0, "test_epochs": 10}
SEEN = {
    "classifier": (TRAINING, ()),
    "outputs": (TRAINING, (64, 200)),
    "filters": (THROUGHOUT, (4, 5)),
    "learning_rate": (TRAINING, (1e-3, 1e-2)),
    "test_head": (TESTING, ()),
    "test_epochs": (TESTING, (5, 10)),
    "test_batch": (TESTING, (4, 2)),
    "test_rate": (TESTING, (0.1, 1.0)),
    "test_momentum": (TESTING, (0.0, 0.9)),
    "test_dampening": (TESTING, (0.0, 0.9)),
    "test_weight_decay": (TESTING, (0.0, 0.5)),
}
"""Where each switch is seen; with its values, where they are not choices by name."""
COSINES = {"classifier": "cosine", "test_head": "cosine"}


def batches():
    _, tasks = smoke_method(CELL, "baseline", SMALL)
    return [tasks.batch("train", i, 1) for i in range(3)], tasks.batch("val", 0, 20)


@pytest.mark.parametrize(
    "switch", [s for s in switch_names(BaselineSettings) if s != "cosine_scale"]
)
def test_each_switch_is_seen_where_it_works(switch):
    make = maker(CELL, "baseline", SMALL, **SHORT)
    assert_seen(SEEN, BaselineSettings, switch, make, *batches())


def test_the_scale_of_a_cosine_is_seen_throughout():
    make = maker(CELL, "baseline", SMALL, **SHORT | COSINES)
    assert where_seen(make, "cosine_scale", (1.0, 4.0), *batches()) == {THROUGHOUT}
