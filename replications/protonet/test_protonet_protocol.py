"""Protocol of Prototypical Networks, and how their network starts: literals beside `paper.toml`.

Sources: the paper (arXiv 1703.05175, sections 3.1 and 3.2, Tables 1, 2, 5 and 6) and the authors'
code (jakesnell/prototypical-networks, scripts/train/few_shot/run_train.py and
scripts/predict/few_shot/run_eval.py), which is of Omniglot alone.
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

EVERYWHERE = {
    "algorithm": "protonet",
    "tasks.val_ways": 5,  # data.test_way, in the 20-way cells too
    "tasks.val_queries": 15,
    "tasks.test_queries": 15,  # data.test_query
    "method.distance": "squared-euclidean",
    "method.filters": 64,  # model.hid_dim and z_dim
    "method.learning_rate": 0.001,
    "method.halve_every": 2000,  # train.decay_every: 20 epochs of 100 episodes
    "method.batch_norm_scale": "uniform",  # torch 0.4
    "method.batch_norm_test": "running",  # model.eval()
    "training.meta_batch": 1,
    "training.iteration_cap": 1000000,  # train.epochs: 10,000 of 100
    "training.validate_every": 100,  # data.train_episodes
    "training.validation_tasks": 100,  # data.test_episodes
    "training.validation_metric": "loss",
    "training.patience": 200,
    "testing.best_of_steps": False,
}
OMNIGLOT = EVERYWHERE | {
    "task_source": "image_episodes",
    "tasks.dataset": "omniglot",
    "tasks.class_split": "vinyals-1028-172-423",  # data.split
    "tasks.rotations": "as-classes",  # data/omniglot.py
    "tasks.ink": "one",
    "tasks.image_size": 28,
    "tasks.resize_filter": "nearest",
    "training.selection": "best-validation-then-retrain",  # trainval.py
    "testing.tasks": 1000,
}
MINI_IMAGENET = EVERYWHERE | {
    "task_source": "color_episodes",
    "tasks.dataset": "mini-imagenet",
    "tasks.pixels": "unit",
    "tasks.image_size": 84,
    "training.selection": "best-validation",  # 3.2
    "testing.tasks": 600,
}
CIFAR_FS = MINI_IMAGENET | {  # README, departure 9
    "tasks.dataset": "cifar-fs",
    "tasks.image_size": 32,
    "tasks.resize_filter": "none",
    "testing.tasks": 10000,
}
HEADS = """tasks.train_ways tasks.train_shots tasks.train_queries
    tasks.test_ways tasks.test_shots"""
OMNIGLOT_CELLS = columns(
    HEADS,
    {
        "omniglot-5way-1shot": (60, 1, 5, 5, 1),
        "omniglot-5way-5shot": (60, 5, 5, 5, 5),
        "omniglot-20way-1shot": (60, 1, 5, 20, 1),
        "omniglot-20way-5shot": (60, 5, 5, 20, 5),
    },
)
MINI_CELLS = columns(
    HEADS,
    {
        "mini-imagenet-5way-1shot": (30, 1, 15, 5, 1),
        "mini-imagenet-5way-5shot": (20, 5, 15, 5, 5),
    },
)
CIFAR_CELLS = columns(
    HEADS, {"cifar-fs-5way-1shot": (20, 1, 15, 5, 1), "cifar-fs-5way-5shot": (20, 5, 15, 5, 5)}
)
COSINE = {"method.distance": "cosine"}
TWENTY, FIVE = {"tasks.train_ways": 20}, {"tasks.train_ways": 5}
TABLE = joined(
    rows(OMNIGLOT, OMNIGLOT_CELLS, {"euclidean": {}, "cosine": COSINE}),
    # Tables 5 and 6: ways in training.
    rows(
        MINI_IMAGENET,
        MINI_CELLS,
        {
            "euclidean": {},
            "euclidean-5way": FIVE,
            "cosine-20way": COSINE | TWENTY,
            "cosine-5way": COSINE | FIVE,
        },
    ),
    rows(
        MINI_IMAGENET,
        {"mini-imagenet-5way-1shot": MINI_CELLS["mini-imagenet-5way-1shot"]},
        {"euclidean-20way": TWENTY},
    ),
    rows(CIFAR_FS, CIFAR_CELLS, {"euclidean-20way": {}, "euclidean-5way": FIVE}),
)


@pytest.mark.parametrize(("cell", "variant"), lines(TABLE))
def test_the_protocol_is_as_printed(cell, variant):
    assert_protocol("protonet", cell, variant, TABLE)


def test_every_variant_has_a_row():
    assert_every_variant("protonet", TABLE)


@pytest.mark.parametrize("cell", ["omniglot-5way-1shot", "mini-imagenet-5way-5shot"])
def test_training_is_by_adam_at_a_rate_that_is_halved(cell):
    method = published_method("protonet", cell, "euclidean")
    assert type(method.optimiser).__name__ == "Adam"
    (group,) = method.optimiser.param_groups
    assert (group["lr"], group["betas"], group["eps"]) == (0.001, (0.9, 0.999), 1e-8)
    assert group["weight_decay"] == 0
    rates = [method.learning_rate(i) for i in (0, 1999, 2000, 3999, 4000)]
    assert rates == [0.001, 0.001, 0.0005, 0.0005, 0.00025]


@pytest.mark.parametrize(
    ("cell", "variant", "channels"),
    [
        ("omniglot-5way-1shot", "euclidean", 1),
        ("omniglot-20way-5shot", "cosine", 1),
        ("mini-imagenet-5way-1shot", "euclidean-5way", 3),
    ],
)
def test_the_network_starts_as_in_torch_0_4(cell, variant, channels):
    weights = drawn(lambda seed: published_method("protonet", cell, variant, seed).weights(), 2)
    assert_starts(
        weights,
        {
            "blocks.0.convolution.*": torch_default(9 * channels),
            "blocks.[123].convolution.*": torch_default(9 * 64),
            "blocks.*.norm.weight": between(0, 1),
            "blocks.*.norm.bias": 0,
            "blocks.*.running_mean": 0,
            "blocks.*.running_var": 1,
            "blocks.*.num_batches_tracked": 0,
        },
    )
