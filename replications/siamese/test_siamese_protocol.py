"""Protocol of siamese networks, and how their network starts: literals beside `paper.toml`.

Source: the paper (Koch, Zemel and Salakhutdinov 2015, sections 3 and 4, figure 4), which prints the
ranges of its search and not what it found: rates, momenta and penalties are ours (README.md).
"""

from __future__ import annotations

import pytest
import torch

from harness.paper_tests.protocol_tables import (
    assert_every_variant,
    assert_protocol,
    columns,
    joined,
    lines,
    rows,
)
from harness.paper_tests.published_methods import published_method
from harness.paper_tests.starts import assert_law, normal

PAIRS = {
    "task_source": "image_pairs",
    "tasks.dataset": "omniglot",
    "tasks.ink": "one",
    "tasks.image_size": 105,
    "tasks.different_pairs": "within-alphabet",  # departure 4
    "tasks.distortion_rotation": 10.0,  # 3.2, as the next four
    "tasks.distortion_shear": 0.3,
    "tasks.distortion_scale": 0.2,
    "tasks.distortion_shift": 2.0,
    "tasks.distortion_probability": 0.5,
    "testing.best_of_steps": False,
}
TRAINED = PAIRS | {
    "algorithm": "siamese",
    "method.filters": [64, 128, 128, 256],  # figure 4
    "method.kernels": [10, 7, 4, 4],
    "method.units": 4096,
    "method.learning_rates": [0.01] * 6,
    "method.momenta": [0.9] * 6,
    "method.l2_penalties": [0.0001] * 6,
    "method.rate_decay": 0.99,  # 3.2: "decayed uniformly across the network by 1 percent"
    "method.first_momentum": 0.5,  # 3.2
    "method.momentum_epochs": 40,
    "method.test_threshold": "validation",
    "training.meta_batch": 128,  # 3.2
    "training.validation_tasks": 16,  # 320 trials
    "training.validation_metric": "accuracy",
    "training.selection": "best-validation",
    "training.patience": 19,  # "when the validation error did not decrease for 20 epochs"
}
VERIFICATION = {"tasks.test_on": "pairs", "testing.tasks": 10000}
ONE_SHOT = {"tasks.test_on": "lake-runs", "testing.tasks": 20}  # 4.3: 20 runs of 20 trials
# 4.2: sets of 30,000, 90,000 and 150,000 pairs, with eight distorted copies of each or none;
# 200 epochs of minibatches of 128.
HEADS = "tasks.train_pairs tasks.train_distortions training.iterations training.validate_every"
SETS = columns(
    HEADS,
    {
        "30k": (30000, 0, 46800, 234),
        "30k-affine": (30000, 8, 421800, 2109),
        "90k": (90000, 0, 140600, 703),
        "90k-affine": (90000, 8, 1265600, 6328),
        "150k": (150000, 0, 234400, 1172),
        "150k-affine": (150000, 8, 2109400, 10547),
    },
)
PIXELS = PAIRS | {"algorithm": "nearest-pixels", "training.iterations": 1}
TABLE = joined(
    *(
        rows(
            TRAINED,
            {f"verification-{size}": VERIFICATION},
            {"plain": SETS[size], "affine": SETS[f"{size}-affine"]},
        )
        for size in ("30k", "90k", "150k")
    ),
    rows(
        TRAINED,
        {"one-shot": ONE_SHOT},
        {f"convolutional-{name}": SETS[name] for name in ("30k", "30k-affine", "150k-affine")},
    ),
    rows(
        PIXELS,
        {"one-shot": ONE_SHOT},
        {
            "nearest-pixels": {"method.distance": "euclidean"},
            "nearest-pixels-cosine": {"method.distance": "cosine"},
        },
    ),
)


@pytest.mark.parametrize(("cell", "variant"), lines(TABLE))
def test_the_protocol_is_as_printed(cell, variant):
    assert_protocol("siamese", cell, variant, TABLE)


def test_every_variant_has_a_row():
    assert_every_variant("siamese", TABLE)


SMALL = {
    "tasks__image_size": 8,
    "method__filters": [1] * 4,
    "method__kernels": [1] * 4,
    "method__units": 8,
}


def method_of(seed=0, **switches):
    """A method whose epochs have the plain 30,000 pairs."""
    shapes = {"epoch": 30000}
    return published_method("siamese", "verification-30k", "plain", seed, shapes, **switches)


# 3.2: convolutions N(0, 0.01), fully-connected layers N(0, 0.2), all biases N(0.5, 0.01).
def test_the_network_starts_as_printed():
    layers = method_of().layers
    for i, layer in enumerate(layers):
        assert_law(layer.weight, normal(0.01 if i < 4 else 0.2), f"weights of layer {i}")
    biases = torch.cat([layer.bias for layer in layers[:4]])
    assert_law(biases, normal(0.01, 0.5), "biases of convolutions")
    assert_law(layers[4].bias, normal(0.01, 0.5), "biases of the fully-connected layer")


def test_the_bias_of_the_weighted_distance_starts_as_the_others():
    biases = torch.stack([method_of(seed, **SMALL).layers[-1].bias[0] for seed in range(60)])
    # Of 60 numbers: a mean within five of its deviations, a deviation within four.
    assert float(biases.detach().mean()) == pytest.approx(0.5, abs=0.0065)
    assert float(biases.detach().std()) == pytest.approx(0.01, rel=0.37)


def test_rates_fall_by_a_percent_and_momenta_rise_from_a_half():
    method = method_of(**SMALL)
    one_epoch = 30000 / 128
    rates, momenta = method.schedule(0, 128)
    assert (rates, momenta) == ([0.01] * 6, [0.5] * 6)
    rates, momenta = method.schedule(round(20.5 * one_epoch), 128)
    assert rates == pytest.approx([0.01 * 0.99**20] * 6)
    assert momenta == pytest.approx([0.7] * 6)
    assert method.schedule(round(100 * one_epoch), 128)[1] == pytest.approx([0.9] * 6)
