"""R2-D2's protocol, and how its network and head start: literals beside `paper.toml`.

Source: the authors' code (bertinetto/r2d2, fc0c13e), scripts/train/conf/fewshots.yaml and
scripts/train/experiments.sh unless another file is named.
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
from harness.paper_tests.starts import assert_starts, between, drawn, torch_default

R2D2 = {
    "algorithm": "r2d2",
    "method.filters": [96, 192, 384, 512],  # load_model.py, RRNet
    "method.leaky_slope": 0.1,  # model.lrelu
    "method.batch_norm_scale": "uniform",  # environment.yml: torch 0.3
    "method.ridge": 50.0,  # base_learner.init_lambda
    "method.learn_ridge": True,  # not confirmed: README
    "method.shots_min": 1,  # data.shot_min
    "method.shots_max": 9,  # SetupEpisode.py: data.shot_max 10 is exclusive
    "method.learning_rate": 0.005,
    "method.halve_every": 2000,  # train.decay_every: 20 epochs of 100 episodes
    "training.iteration_cap": 120000,  # train.epochs: 1,200 of 100
    "training.meta_batch": 1,
    "training.validate_every": 100,
    "training.validation_tasks": 200,  # data.test_episodes
    "training.validation_metric": "accuracy",
    "training.selection": "best-validation",
    "training.patience": 200,
    "testing.tasks": 10000,
    "testing.best_of_steps": False,
}
CIFAR_FS = R2D2 | {
    "task_source": "color_episodes",
    "tasks.dataset": "cifar-fs",
    "tasks.pixels": "unit",
    "tasks.image_size": 32,
    "tasks.resize_filter": "none",
    "method.dropout": 0.4,  # model.drop
    "method.scale": 10.0,  # base_learner.init_adj_scale
}
MINI_IMAGENET = CIFAR_FS | {
    "tasks.dataset": "mini-imagenet",
    "tasks.image_size": 84,
    "tasks.resize_filter": "lanczos",
    "method.dropout": 0.1,
    "method.scale": 0.0001,
}
OMNIGLOT = R2D2 | {
    "task_source": "image_episodes",
    "tasks.dataset": "omniglot",
    "tasks.class_split": "vinyals-1028-172-423",
    "tasks.rotations": "as-classes",  # augm.rotation
    "tasks.ink": "one",
    "tasks.image_size": 28,
    "tasks.resize_filter": "nearest",
    "method.dropout": 0.0,
    "method.scale": 10.0,
}
# Training images a class, shots and queries together, are data.batch_size over data.way: 240 over
# 20 and 16, 600 over 60. At test there are 48, of Omniglot all 20.
HEADS = """tasks.train_ways tasks.train_shots tasks.train_queries
    tasks.test_ways tasks.test_shots tasks.test_queries"""
CIFAR_CELLS = columns(
    HEADS,
    {
        "cifar-fs-5way-1shot": (20, 1, 11, 5, 1, 47),
        "cifar-fs-5way-5shot": (20, 1, 11, 5, 5, 43),
    },
)
MINI_CELLS = columns(
    HEADS,
    {
        "mini-imagenet-5way-1shot": (16, 1, 14, 5, 1, 47),
        "mini-imagenet-5way-5shot": (16, 1, 14, 5, 5, 43),
    },
)
OMNIGLOT_CELLS = columns(
    HEADS,
    {
        "omniglot-5way-1shot": (60, 1, 9, 5, 1, 19),
        "omniglot-5way-5shot": (60, 1, 9, 5, 5, 15),
        "omniglot-20way-1shot": (60, 1, 9, 20, 1, 19),
        "omniglot-20way-5shot": (60, 1, 9, 20, 5, 15),
    },
)
VARIANTS = {
    "r2d2": {},
    "conv64": {"method.filters": [64, 64, 64, 64]},  # load_model.py, RRNet_small
    "fixed-ridge": {"method.learn_ridge": False},  # base_learner.learn_lambda
}
TABLE = joined(
    rows(CIFAR_FS, CIFAR_CELLS, VARIANTS),
    rows(MINI_IMAGENET, MINI_CELLS, VARIANTS),
    rows(OMNIGLOT, OMNIGLOT_CELLS, VARIANTS),
)


@pytest.mark.parametrize(("cell", "variant"), lines(TABLE))
def test_the_protocol_is_that_of_the_code(cell, variant):
    assert_protocol("r2d2", cell, variant, TABLE)


def test_every_variant_has_a_row():
    assert_every_variant("r2d2", TABLE)


def network(channels, filters):
    """Laws of the embedding: torch 0.3's own."""
    inputs = (channels, *filters[:3])
    return {
        **{f"encoder.convolutions.{i}.*": torch_default(9 * n) for i, n in enumerate(inputs)},
        "encoder.norms.*.weight": between(0, 1),
        "encoder.norms.*.bias": 0,
        "encoder.norms.*.running_mean": 0,
        "encoder.norms.*.running_var": 1,
        "encoder.norms.*.num_batches_tracked": 0,
    }


WIDE, NARROW = (96, 192, 384, 512), (64, 64, 64, 64)


@pytest.mark.parametrize(
    ("cell", "variant", "scale", "laws"),
    [
        ("cifar-fs-5way-1shot", "r2d2", 10, network(3, WIDE)),
        ("mini-imagenet-5way-1shot", "fixed-ridge", 0.0001, network(3, WIDE)),
        ("omniglot-5way-1shot", "conv64", 10, network(1, NARROW)),
    ],
)
def test_network_and_head_start_as_in_the_code(cell, variant, scale, laws):
    weights = drawn(lambda seed: published_method("r2d2", cell, variant, seed).weights(), 2)
    assert weights.pop("ridge").tolist() == [50, 50]
    assert weights.pop("scale").tolist() == pytest.approx([scale, scale])
    assert weights.pop("bias").tolist() == [0, 0]
    assert_starts(weights, laws)


@pytest.mark.parametrize(("variant", "learned"), [("r2d2", True), ("fixed-ridge", False)])
def test_training_is_by_adam_of_all_that_is_learned(variant, learned):
    method = published_method("r2d2", "omniglot-5way-1shot", variant)
    assert type(method.optimiser).__name__ == "Adam"
    (group,) = method.optimiser.param_groups
    assert (group["lr"], group["betas"], group["eps"]) == (0.005, (0.9, 0.999), 1e-8)
    assert group["weight_decay"] == 0
    assert (id(method.model.ridge) in {id(p) for p in group["params"]}) is learned
    assert {method._shots(i) for i in range(200)} == set(range(1, 10))
