"""VERSA's protocol, and how its networks start: literals beside `paper.toml`.

Source: the authors' code (Gordonjo/versa, master), run_classifier.py unless another file is named.
"""

from __future__ import annotations

import math

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
from harness.paper_tests.starts import assert_starts, cut_normal, drawn, normal

VERSA = {
    "algorithm": "versa",
    "method.filters": 64,  # utilities.py, conv2d_pool_block
    "method.samples": 10,
    "method.test_samples": 10,
    "method.test_average": "probabilities",
    "training.selection": "last",
    "training.patience": 0,
    "testing.tasks": 600,  # test_iterations
    "testing.best_of_steps": False,
}
OMNIGLOT = VERSA | {
    "task_source": "image_episodes",
    "tasks.dataset": "omniglot",
    "tasks.class_split": "random-1100-100-423",  # data.py
    "tasks.rotations": "as-classes",  # omniglot.py, augment_character_set
    "tasks.ink": "one",
    "tasks.image_size": 28,
    "tasks.resize_filter": "nearest",
    "method.blocks": 4,  # features.py
    "method.pool_padding": "same",
    "method.dropout_keep": 0.9,
}
MINI_IMAGENET = VERSA | {
    "task_source": "color_episodes",
    "tasks.dataset": "mini-imagenet",
    "tasks.pixels": "unit",
    "tasks.image_size": 84,
    "method.blocks": 5,
    "method.pool_padding": "valid",
    "method.dropout_keep": 0.5,
}
# The commands at the top; eval_samples_train 15, eval_samples_test the shots.
HEADS = """tasks.train_ways tasks.train_shots tasks.train_queries
    tasks.test_ways tasks.test_shots tasks.test_queries
    training.meta_batch training.iterations method.learning_rate"""
OMNIGLOT_CELLS = columns(
    HEADS,
    {
        "omniglot-5way-1shot": (5, 1, 15, 5, 1, 1, 16, 80000, 0.0001),
        "omniglot-5way-5shot": (5, 5, 15, 5, 5, 5, 16, 80000, 0.0001),
        "omniglot-20way-1shot": (20, 1, 15, 20, 1, 1, 16, 100000, 0.0001),
        "omniglot-20way-5shot": (20, 5, 15, 20, 5, 5, 16, 60000, 0.0001),
    },
)
MINI_CELLS = columns(
    HEADS,
    {
        "mini-imagenet-5way-1shot": (5, 1, 15, 5, 1, 1, 8, 50000, 0.00025),
        "mini-imagenet-5way-5shot": (5, 5, 15, 5, 5, 5, 4, 100000, 0.0001),
    },
)
VARIANTS = {
    "versa": {},
    "exponential-logits": {"method.test_average": "exponential-logits"},  # averaged_predictions
}
TABLE = joined(rows(OMNIGLOT, OMNIGLOT_CELLS, VARIANTS), rows(MINI_IMAGENET, MINI_CELLS, VARIANTS))


@pytest.mark.parametrize(("cell", "variant"), lines(TABLE))
def test_the_protocol_is_that_of_the_commands(cell, variant):
    assert_protocol("versa", cell, variant, TABLE)


def test_every_variant_has_a_row():
    assert_every_variant("versa", TABLE)


@pytest.mark.parametrize(
    ("cell", "rate"), [("omniglot-5way-1shot", 0.0001), ("mini-imagenet-5way-1shot", 0.00025)]
)
def test_training_is_by_adam(cell, rate):
    method = published_method("versa", cell, "versa")
    assert type(method.optimiser).__name__ == "Adam"
    (group,) = method.optimiser.param_groups
    assert (group["lr"], group["betas"], group["eps"]) == (rate, (0.9, 0.999), 1e-8)
    assert group["weight_decay"] == 0


def truncated(fan_in, fan_out):
    """TensorFlow's xavier_initializer(uniform=False): a cut normal, widened by sqrt(1.3)."""
    return cut_normal(math.sqrt(1.3 / ((fan_in + fan_out) / 2)))


# utilities.py: conv2d_pool_block has no biases; dense_layer draws them at deviation 0.001.
def laws(channels, blocks):
    """Laws of the features and of the four networks on their 256 numbers."""
    return {
        "features.convolutions.0.weight": truncated(9 * channels, 9 * 64),
        f"features.convolutions.[1-{blocks - 1}].weight": truncated(9 * 64, 9 * 64),
        "features.norms.*.offset": 0,
        "amortised.networks.*.[02].weight": truncated(256, 256),
        "amortised.networks.weight_*.4.weight": truncated(256, 256),
        "amortised.networks.bias_*.4.weight": truncated(256, 1),
        "amortised.networks.*.bias": normal(0.001),
    }


@pytest.mark.parametrize(
    ("cell", "variant", "law"),
    [
        ("omniglot-5way-1shot", "versa", laws(1, 4)),
        ("mini-imagenet-5way-5shot", "exponential-logits", laws(3, 5)),
    ],
)
def test_networks_start_as_in_the_code(cell, variant, law):
    assert_starts(drawn(lambda s: published_method("versa", cell, variant, s).weights(), 1), law)
