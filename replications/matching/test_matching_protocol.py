"""Matching Networks' protocol, and how their networks start: literals beside `paper.toml`.

Source: the paper (arXiv 1606.04080, sections 2 and 4.1, appendix A), which says nothing of how it
was trained: schedules are ours (README.md, departures 1 to 5), and what stands here without a
section is ours too. The authors published no code.
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
from harness.paper_tests.starts import assert_starts, drawn, torch_default, uniform

OMNIGLOT = {
    "task_source": "image_episodes",
    "tasks.dataset": "omniglot",
    "tasks.class_split": "vinyals-1028-172-423",  # 4.1.1: 1200 characters, the rest for test
    "tasks.rotations": "as-classes",  # 4.1.1: multiples of 90 degrees; classes: departure 9
    "tasks.ink": "one",
    "tasks.image_size": 28,  # 4.1.1
    "tasks.resize_filter": "nearest",
    "testing.tasks": 1000,
}
MINI_IMAGENET = {
    "task_source": "color_episodes",
    "tasks.dataset": "mini-imagenet",
    "tasks.pixels": "unit",
    "tasks.image_size": 84,  # 4.1.2
    "testing.tasks": 600,
}
TRAINED = {
    "algorithm": "matching",
    "method.similarity": "cosine",  # 2.1.1
    "method.similarity_scale": 1.0,  # 2.1.1 has no factor
    "method.full_context": False,
    "method.filters": 64,  # 4.1.1
    "method.learning_rate": 0.001,
    "method.batch_norm_scale": "one",
    "method.batch_norm_test": "running",
}
OMNIGLOT_SCHEDULE = {
    "method.halve_every": 5000,
    "training.iterations": 20000,
    "training.iteration_cap": 40000,
    "training.meta_batch": 4,
    "training.selection": "best-validation-then-retrain",
    "training.patience": 10,
}
MINI_SCHEDULE = {
    "method.halve_every": 2000,  # Snell et al. 2017
    "training.iterations": 40000,
    "training.iteration_cap": 60000,
    "training.meta_batch": 1,
    "training.selection": "best-validation",
    "training.patience": 20,
}
# Training episodes have the ways and shots of the test (2.2).
HEADS = """tasks.train_ways tasks.train_shots tasks.train_queries
    tasks.test_ways tasks.test_shots tasks.test_queries"""
OMNIGLOT_CELLS = columns(
    HEADS,
    {
        "omniglot-5way-1shot": (5, 1, 15, 5, 1, 15),
        "omniglot-5way-5shot": (5, 5, 15, 5, 5, 15),
        "omniglot-20way-1shot": (20, 1, 5, 20, 1, 15),
        "omniglot-20way-5shot": (20, 5, 5, 20, 5, 15),
    },
)
MINI_CELLS = columns(
    HEADS,
    {
        "mini-imagenet-5way-1shot": (5, 1, 15, 5, 1, 15),
        "mini-imagenet-5way-5shot": (5, 5, 15, 5, 5, 15),
    },
)
NETWORKS = {
    "cosine": {},
    "cosine-scaled": {"method.similarity_scale": 10.0},  # ports scale: reimplementations.csv
    "fce": {"method.full_context": True, "method.read_steps": 2},  # appendix A leaves K open
    "euclidean": {"method.similarity": "squared-euclidean"},
}
PIXELS = {
    name: {
        "algorithm": "pixels",
        "method.similarity": "cosine",
        "method.similarity_scale": scale,
        "training.iterations": 1,
    }
    for name, scale in (("pixels", 1.0), ("pixels-nearest", 1000.0))
}
TABLE = joined(
    rows(OMNIGLOT | TRAINED | OMNIGLOT_SCHEDULE, OMNIGLOT_CELLS, NETWORKS),
    rows(OMNIGLOT, OMNIGLOT_CELLS, PIXELS),
    rows(MINI_IMAGENET | TRAINED | MINI_SCHEDULE, MINI_CELLS, NETWORKS),
    rows(MINI_IMAGENET, MINI_CELLS, PIXELS),
)


@pytest.mark.parametrize(("cell", "variant"), lines(TABLE))
def test_the_protocol_is_as_stated(cell, variant):
    assert_protocol("matching", cell, variant, TABLE)


def test_every_variant_has_a_row():
    assert_every_variant("matching", TABLE)


@pytest.mark.parametrize(
    ("cell", "halved"), [("omniglot-5way-1shot", 5000), ("mini-imagenet-5way-1shot", 2000)]
)
def test_training_is_by_adam_at_a_rate_that_is_halved(cell, halved):
    method = published_method("matching", cell, "cosine")
    assert type(method.optimiser).__name__ == "Adam"
    (group,) = method.optimiser.param_groups
    assert (group["lr"], group["betas"], group["eps"]) == (0.001, (0.9, 0.999), 1e-8)
    assert group["weight_decay"] == 0
    rates = [method.learning_rate(i) for i in (0, halved - 1, halved, 2 * halved)]
    assert rates == [0.001, 0.001, 0.0005, 0.00025]


# Torch's own starts; so that of an LSTM, 1 / sqrt(units), with 64 or 1600 units.
def encoder(channels):
    """Laws of the embedding network."""
    return {
        "encoder.blocks.0.convolution.*": torch_default(9 * channels),
        "encoder.blocks.[123].convolution.*": torch_default(9 * 64),
        "encoder.blocks.*.norm.weight": 1,
        "encoder.blocks.*.norm.bias": 0,
        "encoder.blocks.*.running_mean": 0,
        "encoder.blocks.*.running_var": 1,
        "encoder.blocks.*.num_batches_tracked": 0,
    }


@pytest.mark.parametrize(
    ("cell", "variant", "laws"),
    [
        ("omniglot-5way-1shot", "cosine", encoder(1)),
        ("omniglot-20way-5shot", "fce", encoder(1) | {"context.*": uniform(1 / math.sqrt(64))}),
        ("mini-imagenet-5way-1shot", "euclidean", encoder(3)),
    ],
)
def test_networks_start_as_torchs_do(cell, variant, laws):
    weights = drawn(lambda seed: published_method("matching", cell, variant, seed).weights(), 1)
    assert_starts(weights, laws)
