"""MAML's protocol as it is printed, and how its networks start: literals beside `paper.toml`.

Sources: the paper (arXiv 1703.03400v3) and the authors' code (cbfinn/maml, a7f45f1). Where they
differ README.md says which one is here.
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
    published_variant,
    rows,
)
from harness.paper_tests.published_methods import published_method
from harness.paper_tests.starts import assert_starts, cut_normal, drawn, glorot, normal

# Section 5.1; 70,000 iterations of 25 tasks, 10 points to adapt to and 10 more: main.py.
SINUSOIDS = {
    "task_source": "sinusoids",
    "tasks.amplitude_min": 0.1,
    "tasks.amplitude_max": 5.0,
    "tasks.phase_min": 0.0,
    "tasks.phase_max": math.pi,
    "tasks.input_min": -5.0,
    "tasks.input_max": 5.0,
    "tasks.task_in_input": False,
    "tasks.test_queries": 5,
    "method.hidden": [40, 40],
    "method.test_steps": 10,
    "training.selection": "last",
    "training.patience": 0,
    "testing.tasks": 10000,  # theirs are 600: README, departure 3
    "testing.best_of_steps": False,
}
ALL_TASKS = {
    "tasks.train_shots": 10,
    "tasks.train_queries": 10,
    "training.iterations": 70000,
    "training.meta_batch": 25,
}
SINUSOID_MAML = ALL_TASKS | {
    "algorithm": "maml",
    "method.network": "mlp",
    "method.batch_norm": False,
    "method.loss": "mse",
    "method.order": "second",
    "method.inner_steps": 1,
    "method.inner_rate": 0.01,
    "method.inner_loss": "mean",  # utils.py, mse
    "method.meta_rate": 0.001,  # main.py, meta_lr
}
CODE_RATE = {"method.inner_rate": 0.001}  # main.py, update_lr
PRETRAINED = ALL_TASKS | {
    "algorithm": "pretrained",
    "method.learning_rate": 0.001,  # maml.py, pretrain_op: the meta-rate
}
SHOTS = {f"sinusoid-{k}shot": {"tasks.test_shots": k} for k in (5, 10, 20)}

# maml.py, main.py, utils.py; section 5.2.
IMAGES = {
    "method.batch_norm": True,
    "method.loss": "cross-entropy",
    "method.order": "second",
    "method.inner_loss": "sum-over-classes",  # utils.py, xent
    "method.meta_rate": 0.001,
    "method.test_steps": 10,
    "method.test_batch_norm": "transductive",  # batch_norm is left in its training mode
    "training.iterations": 60000,
    "training.selection": "last",
    "training.patience": 0,
    "testing.tasks": 600,
}
OMNIGLOT = IMAGES | {
    "task_source": "image_episodes",
    "algorithm": "maml",
    "tasks.dataset": "omniglot",
    "tasks.class_split": "random-1100-100-423",  # data_generator.py
    "tasks.rotations": "per-class-in-task",
    "tasks.ink": "one",
    "tasks.image_size": 28,
    "tasks.resize_filter": "nearest",  # what Pillow makes of LANCZOS: README
    "method.network": "strided-conv4",
    "method.hidden": [64, 64, 64, 64],
}
COLOUR = IMAGES | {
    "task_source": "color_episodes",
    "algorithm": "maml-clipped",
    "tasks.pixels": "unit",
    "method.network": "max-pool-conv4",
    "method.hidden": [32, 32, 32, 32],
    "method.outer_clip": 10.0,
}
MINI_IMAGENET = {"tasks.dataset": "mini-imagenet", "tasks.image_size": 84}
CIFAR_FS = {"tasks.dataset": "cifar-fs", "tasks.image_size": 32}  # ArnoutDevos/maml-cifar-fs
FIRST = {"method.order": "first"}  # main.py, stop_grad
NO_CONV = {"method.network": "mlp", "method.hidden": [256, 128, 64, 64]}
MORE = {"testing.tasks": 10000}  # theirs are 600: README, departure 11

# Usage lines of main.py, but for the text's 2 tasks of mini-ImageNet 5-shot (the code has 4).
HEADS = """tasks.train_ways tasks.train_shots tasks.train_queries
    tasks.test_ways tasks.test_shots tasks.test_queries
    method.inner_steps method.inner_rate training.meta_batch"""
OMNIGLOT_CELLS = columns(
    HEADS,
    {
        "omniglot-5way-1shot": (5, 1, 1, 5, 1, 1, 1, 0.4, 32),
        "omniglot-5way-5shot": (5, 5, 5, 5, 5, 5, 1, 0.4, 32),
        "omniglot-20way-1shot": (20, 1, 1, 20, 1, 1, 5, 0.1, 16),
        "omniglot-20way-5shot": (20, 5, 5, 20, 5, 5, 5, 0.1, 16),
    },
)
MINI_CELLS = columns(
    HEADS,
    {
        "mini-imagenet-5way-1shot": (5, 1, 15, 5, 1, 1, 5, 0.01, 4),
        "mini-imagenet-5way-5shot": (5, 5, 15, 5, 5, 5, 5, 0.01, 2),
    },
)
CIFAR_CELLS = columns(
    HEADS,
    {
        "cifar-fs-5way-1shot": (5, 1, 15, 5, 1, 1, 5, 0.01, 4),
        "cifar-fs-5way-5shot": (5, 5, 15, 5, 5, 5, 5, 0.01, 4),
    },
)
BOTH_ORDERS = {"second-order": {}, "first-order": FIRST}
# Appendix C names three regularisations and 500 networks; the rest is ours.
AVERAGES = {
    name: {"algorithm": "multi-task", "method.regularisation": kind}
    for name, kind in [
        ("multi-task", "none"),
        ("multi-task-l2", "l2"),
        ("multi-task-mean", "to-mean"),
    ]
}
# Appendix C.1: each network below 0.02 on its own sine; README, departure 6 has the strengths.
TO_CRITERION = {
    "algorithm": "multi-task-to-criterion",
    "method.criterion": 0.02,
    "method.start": "glorot",
    "tasks.train_shots": 1000,
}
AVERAGES |= {
    f"{name}-criterion": row | TO_CRITERION | {"method.strength": strength}
    for (name, row), strength in zip(AVERAGES.items(), (0.0, 0.0001, 0.0001), strict=True)
}
TABLE = joined(
    rows(
        SINUSOIDS,
        SHOTS,
        {
            "maml": SINUSOID_MAML,
            "maml-code-rate": SINUSOID_MAML | CODE_RATE,
            "pretrained": PRETRAINED,
            "oracle": PRETRAINED | {"tasks.task_in_input": True},
        },
    ),
    rows(
        SINUSOIDS,
        {"sinusoid-5shot": SHOTS["sinusoid-5shot"]},
        {"first-order": SINUSOID_MAML | FIRST} | AVERAGES,
    ),
    rows(OMNIGLOT, OMNIGLOT_CELLS, BOTH_ORDERS),
    rows(
        OMNIGLOT,
        {cell: OMNIGLOT_CELLS[cell] for cell in ("omniglot-5way-1shot", "omniglot-5way-5shot")},
        {"no-conv": NO_CONV, "no-conv-10000-tasks": NO_CONV | MORE},
    ),
    rows(
        OMNIGLOT,
        {"omniglot-5way-1shot": OMNIGLOT_CELLS["omniglot-5way-1shot"]},
        {
            "second-order-mean-loss": {"method.inner_loss": "mean"},
            "second-order-10000-tasks": MORE,
            "first-order-10000-tasks": FIRST | MORE,
        },
    ),
    rows(COLOUR | MINI_IMAGENET, MINI_CELLS, BOTH_ORDERS),
    rows(COLOUR | CIFAR_FS, CIFAR_CELLS, BOTH_ORDERS),
)


@pytest.mark.parametrize(("cell", "variant"), lines(TABLE))
def test_the_protocol_is_as_printed(cell, variant):
    assert_protocol("maml", cell, variant, TABLE)


def test_every_variant_has_a_row():
    assert_every_variant("maml", TABLE)


@pytest.mark.parametrize("variant", AVERAGES)
def test_five_hundred_networks_are_averaged(variant):
    v = published_variant("maml", "sinusoid-5shot", variant)
    at_once, left = divmod(v.training.iterations, v.method.steps_per_network)
    assert (at_once * v.training.meta_batch, left) == (500, 0)


@pytest.mark.parametrize(
    ("cell", "variant", "steps", "rate", "clip"),
    [
        ("sinusoid-5shot", "maml", 1, 0.01, 0),
        ("omniglot-5way-1shot", "second-order", 1, 0.4, 0),
        ("omniglot-20way-5shot", "first-order", 5, 0.1, 0),
        # 10 for a sum over 75 query losses over the shots; here the mean times the ways.
        ("mini-imagenet-5way-1shot", "second-order", 5, 0.01, 10 / 15),
        ("mini-imagenet-5way-5shot", "first-order", 5, 0.01, 10 / 3),
    ],
)
def test_the_loops_are_run_with_these_numbers(cell, variant, steps, rate, clip):
    method = published_method("maml", cell, variant)
    first = variant == "first-order"
    assert (method.inner.steps, method.inner.rate, method.inner.first_order) == (steps, rate, first)
    assert (method.test_inner.steps, method.test_inner.rate) == (10, rate)
    assert method.outer.clip_value == pytest.approx(clip)
    assert type(method.optimiser).__name__ == "Adam"
    (group,) = method.optimiser.param_groups
    assert (group["lr"], group["betas"], group["eps"]) == (0.001, (0.9, 0.999), 1e-8)
    assert (group["weight_decay"], group["amsgrad"]) == (0, False)


# maml.py, construct_fc_weights and construct_conv_weights.
FULLY_CONNECTED = {"layers.*.weight": cut_normal(0.01), "layers.*.bias": 0}
STRIDED = {
    "convolutions.0.weight": glorot(9, 9 * 64),
    "convolutions.[123].weight": glorot(9 * 64, 9 * 64),
    "head.weight": normal(1.0),
    "*.bias": 0,
}
POOLED = {
    "convolutions.0.weight": glorot(27, 9 * 32),
    "convolutions.[123].weight": glorot(9 * 32, 9 * 32),
    "*.bias": 0,
}


@pytest.mark.parametrize(
    ("cell", "variant", "seeds", "laws"),
    [
        ("sinusoid-5shot", "maml", 1, FULLY_CONNECTED),
        ("omniglot-5way-1shot", "no-conv", 1, FULLY_CONNECTED),
        ("omniglot-5way-1shot", "second-order", 2, STRIDED),
        ("omniglot-20way-1shot", "first-order", 1, STRIDED),
        ("mini-imagenet-5way-1shot", "second-order", 1, POOLED | {"head.weight": glorot(800, 5)}),
        ("cifar-fs-5way-1shot", "second-order", 2, POOLED | {"head.weight": glorot(128, 5)}),
    ],
)
def test_networks_start_as_in_the_code(cell, variant, seeds, laws):
    weights = drawn(lambda seed: published_method("maml", cell, variant, seed).weights(), seeds)
    assert_starts(weights, laws)
