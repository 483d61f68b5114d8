"""Reptile's protocol, and how its networks start: literals beside `paper.toml`.

Source: the commands "used for the paper" in the README of the authors' code
(openai/supervised-reptile, 8f2b71c), and its args.py, models.py, omniglot.py and reptile.py.
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
from harness.paper_tests.starts import assert_starts, drawn, glorot
from replications.reptile import inner_adam

REPTILE = {
    "algorithm": "reptile",
    "method.outer": "reptile",
    "method.inner_state": "carried",  # variables.py: weights alone are put back
    "method.meta_step": 1.0,
    "method.meta_step_final": 0.0,
    "method.test_batch_norm": "support-plus-one",  # reptile.py, _test_predictions
    "training.meta_batch": 5,
    "training.selection": "last",
    "training.patience": 0,
    "tasks.test_queries": 1,  # reptile.py, evaluate
    "testing.tasks": 10000,  # args.py, eval_samples
    "testing.best_of_steps": False,
}
OMNIGLOT = REPTILE | {
    "task_source": "image_episodes",
    "tasks.dataset": "omniglot",
    "tasks.class_split": "random-1200-423",  # omniglot.py, split_dataset
    "tasks.rotations": "train-as-classes",  # omniglot.py, augment_dataset
    "tasks.ink": "zero",
    "tasks.image_size": 28,
    "tasks.resize_filter": "nearest",
    "method.filters": 64,  # models.py
    "method.shrink": "stride",
}
MINI_IMAGENET = REPTILE | {
    "task_source": "color_episodes",
    "tasks.dataset": "mini-imagenet",
    "tasks.pixels": "unit",
    "tasks.image_size": 84,
    "method.filters": 32,
    "method.shrink": "max-pool",
}
# classes, train-shots, shots; inner-iters, inner-batch, learning-rate; eval-iters, eval-batch;
# meta-iters, over which the meta step falls.
HEADS = """tasks.train_ways tasks.train_shots tasks.test_ways tasks.test_shots
    method.inner_steps method.inner_batch method.inner_rate
    method.test_steps method.test_batch
    training.iterations method.meta_step_iterations"""
OMNIGLOT_CELLS = columns(
    HEADS,
    {
        "omniglot-5way-1shot": (5, 10, 5, 1, 5, 10, 0.001, 50, 5, 100000, 100000),
        "omniglot-5way-5shot": (5, 10, 5, 5, 5, 10, 0.001, 50, 5, 100000, 100000),
        "omniglot-20way-1shot": (20, 10, 20, 1, 10, 20, 0.0005, 50, 10, 200000, 200000),
        "omniglot-20way-5shot": (20, 10, 20, 5, 10, 20, 0.0005, 50, 10, 200000, 200000),
    },
)
MINI_CELLS = columns(
    HEADS,
    {
        "mini-imagenet-5way-1shot": (5, 15, 5, 1, 8, 10, 0.001, 50, 5, 100000, 100000),
        "mini-imagenet-5way-5shot": (5, 15, 5, 5, 8, 10, 0.001, 50, 15, 100000, 100000),
    },
)
TRANSDUCTIVE = {"method.test_batch_norm": "transductive"}
VARIANTS = {
    "reptile": {},
    "reptile-transductive": TRANSDUCTIVE,
    "first-order-maml": TRANSDUCTIVE | {"method.outer": "first-order-maml"},  # reptile.py, FOML
}
FRESH = {"reptile-fresh-adam": TRANSDUCTIVE | {"method.inner_state": "fresh"}}
TABLE = joined(
    rows(OMNIGLOT, OMNIGLOT_CELLS, VARIANTS),
    rows(OMNIGLOT, {"omniglot-5way-1shot": OMNIGLOT_CELLS["omniglot-5way-1shot"]}, FRESH),
    rows(MINI_IMAGENET, MINI_CELLS, VARIANTS),
)


@pytest.mark.parametrize(("cell", "variant"), lines(TABLE))
def test_the_protocol_is_that_of_the_commands(cell, variant):
    assert_protocol("reptile", cell, variant, TABLE)


def test_every_variant_has_a_row():
    assert_every_variant("reptile", TABLE)


@pytest.mark.parametrize(
    ("cell", "last"), [("omniglot-5way-1shot", 1e5), ("omniglot-20way-5shot", 2e5)]
)
def test_the_meta_step_falls_from_one_to_nothing(cell, last):
    method = published_method("reptile", cell, "reptile")
    steps = [method.meta_step(int(share * last)) for share in (0, 0.25, 0.5, 1)]
    assert steps == pytest.approx([1, 0.75, 0.5, 0])


def test_the_inner_adam_is_tensorflows_without_momentum():
    assert (inner_adam.BETA2, inner_adam.EPSILON) == (0.999, 1e-8)


# models.py: what tf.layers does by itself.
def network(channels, filters, features, ways):
    """Laws of the network, and of Adam's state, from which test tasks start as well."""
    return {
        "convolutions.0.weight": glorot(9 * channels, 9 * filters),
        "convolutions.[123].weight": glorot(9 * filters, 9 * filters),
        "head.weight": glorot(features, ways),
        "norms.*.weight": 1,
        "norms.*.bias": 0,
        "head.bias": 0,
        "second_moment.*": 0,
        "adam_steps": 0,
    }


@pytest.mark.parametrize(
    ("cell", "laws"),
    [
        ("omniglot-5way-1shot", network(1, 64, 256, 5)),
        ("omniglot-20way-1shot", network(1, 64, 256, 20)),
        ("mini-imagenet-5way-1shot", network(3, 32, 1152, 5)),
    ],
)
def test_networks_start_as_in_the_code(cell, laws):
    weights = drawn(lambda seed: published_method("reptile", cell, "reptile", seed).weights(), 1)
    assert_starts(weights, laws)
