"""ANIL's protocol, and how its networks start: literals beside `paper.toml`.

The paper (arXiv 1909.09157) follows MAML's protocol and code (cbfinn/maml, a7f45f1), from which
everything here is but for what its tables say of layers and heads (README.md, departure 1).
"""

from __future__ import annotations

import pytest

from harness.paper_tests.protocol_tables import (
    assert_every_variant,
    assert_protocol,
    columns,
    joined,
    lines,
    rows,
)
from harness.paper_tests.published_methods import published_method
from harness.paper_tests.starts import assert_starts, drawn, glorot, normal

# MAML's maml.py, main.py and utils.py.
MAML = {
    "algorithm": "anil",
    "method.order": "second",
    "method.frozen_layers": 0,
    "method.inner_steps": 5,
    "method.inner_loss": "sum-over-classes",
    "method.meta_rate": 0.001,
    "method.test_frozen_layers": 0,
    "method.test_head": "adapted",
    "training.iterations": 60000,
    "training.selection": "last",
    "training.patience": 0,
    "testing.tasks": 600,
    "testing.best_of_steps": False,
}
OMNIGLOT = MAML | {
    "task_source": "image_episodes",
    "tasks.dataset": "omniglot",
    "tasks.class_split": "random-1100-100-423",
    "tasks.rotations": "per-class-in-task",
    "tasks.ink": "one",
    "tasks.image_size": 28,
    "tasks.resize_filter": "nearest",
    "method.network": "strided-conv4",
    "method.filters": 64,
    "method.inner_rate": 0.1,
    "method.outer_clip": 0.0,
    "method.test_steps": 5,
    "training.meta_batch": 16,
}
MINI_IMAGENET = MAML | {
    "task_source": "color_episodes",
    "tasks.dataset": "mini-imagenet",
    "tasks.pixels": "unit",
    "tasks.image_size": 84,
    "method.network": "max-pool-conv4",
    "method.filters": 32,
    "method.inner_rate": 0.01,
    "method.outer_clip": 10.0,
    "method.test_steps": 10,
}
HEADS = """tasks.train_ways tasks.train_shots tasks.train_queries
    tasks.test_ways tasks.test_shots tasks.test_queries training.meta_batch"""
OMNIGLOT_CELLS = columns(
    HEADS,
    {
        "omniglot-20way-1shot": (20, 1, 1, 20, 1, 1, 16),
        "omniglot-20way-5shot": (20, 5, 5, 20, 5, 5, 16),
    },
)
MINI_CELLS = columns(
    HEADS,
    {
        "mini-imagenet-5way-1shot": (5, 1, 15, 5, 1, 1, 4),
        "mini-imagenet-5way-5shot": (5, 5, 15, 5, 5, 5, 2),
    },
)
# Tables 2 and 4: ANIL adapts the head alone, in training and at test; NIL has none at test.
BODY_FROZEN = {"method.frozen_layers": 4, "method.test_frozen_layers": 4}
NIL = {"method.test_head": "cosine"}
METHODS = {"maml": {}, "anil": BODY_FROZEN, "nil": BODY_FROZEN | NIL}
# Table 1 freezes the first 1 to 4 layers at test; Table 5 has NIL of MAML's and of random features.
AT_TEST = {
    "maml-nil": NIL,
    "random-nil": NIL | {"method.meta_rate": 0.0, "training.iterations": 1},
    "maml-freeze-1": {"method.test_frozen_layers": 1},
    "maml-freeze-1-2": {"method.test_frozen_layers": 2},
    "maml-freeze-1-3": {"method.test_frozen_layers": 3},
    "maml-freeze-1-4": {"method.test_frozen_layers": 4},
}
TABLE = joined(
    rows(OMNIGLOT, OMNIGLOT_CELLS, METHODS),
    rows(MINI_IMAGENET, MINI_CELLS, METHODS | AT_TEST),
)


@pytest.mark.parametrize(("cell", "variant"), lines(TABLE))
def test_the_protocol_is_as_printed(cell, variant):
    assert_protocol("anil", cell, variant, TABLE)


def test_every_variant_has_a_row():
    assert_every_variant("anil", TABLE)


@pytest.mark.parametrize(
    ("cell", "variant", "rate", "test_steps", "clip", "frozen", "frozen_at_test"),
    [
        ("omniglot-20way-1shot", "maml", 0.1, 5, 0, 0, 0),
        ("omniglot-20way-5shot", "anil", 0.1, 5, 0, 4, 4),
        ("mini-imagenet-5way-1shot", "maml-freeze-1-2", 0.01, 10, 10 / 15, 0, 2),
        ("mini-imagenet-5way-5shot", "nil", 0.01, 10, 10 / 3, 4, 4),
    ],
)
def test_the_loops_are_run_with_these_numbers(
    cell, variant, rate, test_steps, clip, frozen, frozen_at_test
):
    method = published_method("anil", cell, variant)
    assert (method.inner.steps, method.inner.rate, method.inner.first_order) == (5, rate, False)
    assert (method.test_inner.steps, method.test_inner.rate) == (test_steps, rate)
    assert method.outer.clip_value == pytest.approx(clip)
    for inner, count in ((method.inner, frozen), (method.test_inner, frozen_at_test)):
        still = {name for name in inner.frozen if name.startswith("convolutions.")}
        assert still == {f"convolutions.{i}.{w}" for i in range(count) for w in ("weight", "bias")}
    assert type(method.optimiser).__name__ == "Adam"
    (group,) = method.optimiser.param_groups
    assert (group["lr"], group["betas"], group["weight_decay"]) == (0.001, (0.9, 0.999), 0)


# MAML's maml.py, construct_conv_weights.
STRIDED = {
    "convolutions.0.weight": glorot(9, 9 * 64),
    "convolutions.[123].weight": glorot(9 * 64, 9 * 64),
    "head.weight": normal(1.0),
    "*.bias": 0,
}
POOLED = {
    "convolutions.0.weight": glorot(27, 9 * 32),
    "convolutions.[123].weight": glorot(9 * 32, 9 * 32),
    "head.weight": glorot(800, 5),
    "*.bias": 0,
}


@pytest.mark.parametrize(
    ("cell", "variant", "laws"),
    [
        ("omniglot-20way-1shot", "anil", STRIDED),
        ("mini-imagenet-5way-1shot", "maml", POOLED),
        ("mini-imagenet-5way-5shot", "random-nil", POOLED),
    ],
)
def test_networks_start_as_in_the_code(cell, variant, laws):
    weights = drawn(lambda seed: published_method("anil", cell, variant, seed).weights(), 1)
    assert_starts(weights, laws)
