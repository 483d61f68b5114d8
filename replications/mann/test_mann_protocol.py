"""MANN's protocol, and how its networks start: literals beside `paper.toml`.

Sources: the paper (arXiv 1605.06065, sections 3 and 4) for tasks, sizes and length, public ports
(vineetjain96/one-shot-mann, tristandeleu/ntm-one-shot, snowkylin/ntm) for what it leaves open, and
Graves (2013) for the form of RMSprop. README.md, departure 2, says what is not confirmed.
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

MANN = {
    "task_source": "class_sequences",
    "algorithm": "mann",
    "tasks.dataset": "omniglot",
    "tasks.class_split": "random-1200-423",
    "tasks.rotations": "as-classes-distorted",
    "tasks.ink": "one",
    "tasks.image_size": 20,
    "tasks.resize_filter": "nearest",
    "tasks.instances": 10,
    "method.controller": "lstm",
    "method.memory": "lrua",
    "method.units": 200,
    "method.locations": 128,
    "method.width": 40,
    "method.heads": 4,
    "method.usage_decay": 0.95,
    "method.forget_bias": 1.0,
    "method.optimiser": "rmsprop-graves",
    "method.learning_rate": 0.0001,
    "method.decay": 0.95,
    "method.momentum": 0.9,
    "method.epsilon": 0.01,  # 1e-4 inside the root
    "method.centred": True,
    "training.iterations": 100000,
    "training.meta_batch": 16,
    "training.selection": "last",
    "training.patience": 0,
    "testing.tasks": 1000,  # ours
    "testing.best_of_steps": False,
}
# Table 1: 5 classes, one-hot labels. Table 2: strings of 5 characters out of 5.
HEADS = "tasks.classes tasks.label_length tasks.label_symbols"
ONE_HOT = columns(HEADS, {"one-hot-5class": (5, 1, 5)})
STRINGS = columns(HEADS, {"strings-5class": (5, 5, 5), "strings-15class": (15, 5, 5)})
NO_STATE = {"method.controller": "feedforward"}
NO_MEMORY = {"method.memory": "none"}
OPTIMISER = "method.optimiser method.learning_rate method.decay method.momentum method.epsilon"
PORTS = columns(
    OPTIMISER,
    {
        # vineetjain96: decay and momentum stated, epsilon TensorFlow's default.
        "rmsprop": ("rmsprop", 1e-4, 0.95, 0.9, 1e-10),
        # snowkylin, tristandeleu, Leputa: the rate stated, the rest their libraries' defaults.
        "adam": ("adam", 1e-3, 0.999, 0.9, 1e-8),
    },
)
METHODS = {"mann": {}, "lstm": NO_MEMORY, "feedforward": NO_STATE | NO_MEMORY}
WITH_PORTS = METHODS | {
    f"{name}-{port}": METHODS[name] | own | {"method.centred": False}
    for name in ("mann", "lstm")
    for port, own in PORTS.items()
}
TABLE = joined(
    rows(MANN, ONE_HOT, WITH_PORTS), rows(MANN, STRINGS, METHODS | {"mann-feedforward": NO_STATE})
)


@pytest.mark.parametrize(("cell", "variant"), lines(TABLE))
def test_the_protocol_is_as_printed(cell, variant):
    assert_protocol("mann", cell, variant, TABLE)


def test_every_variant_has_a_row():
    assert_every_variant("mann", TABLE)


@pytest.mark.parametrize("variant", ["mann", "lstm"])
def test_training_is_by_rmsprop_in_the_form_of_graves(variant):
    method = published_method("mann", "one-hot-5class", variant)
    assert type(method.optimiser).__name__ == "RMSprop"
    (group,) = method.optimiser.param_groups
    wanted = {"lr": 1e-4, "alpha": 0.95, "momentum": 0.9, "eps": 0.01, "centered": True}
    assert {k: group[k] for k in wanted} == wanted
    assert group["weight_decay"] == 0


# Glorot uniform, biases 0, as in tristandeleu/ntm-one-shot (mann/model.py), but that one matrix
# serves all heads and forget gates have a bias of 1; the paper does not say. An input has 400
# pixels and a label, and four heads read 40 numbers each.
def laws(cell, lstm, memory):
    """Laws of a variant's weights; all that is not a weight matrix is a bias."""
    label = 5 if cell == "one-hot-5class" else 25
    gates, read = (800 if lstm else 200), (160 if memory else 0)
    by_name = {"input": glorot(400 + label, gates), "output": glorot(200 + read, label)}
    if lstm:
        by_name["hidden"] = glorot(200, gates)
    if memory:
        by_name |= {"read": glorot(160, gates), "key": glorot(200, 160), "gate": glorot(200, 4)}
    return by_name | {"*_bias": 0}


@pytest.mark.parametrize(
    ("cell", "variant", "lstm", "memory"),
    [
        ("one-hot-5class", "mann", True, True),
        ("one-hot-5class", "lstm", True, False),
        ("one-hot-5class", "mann-adam", True, True),
        ("one-hot-5class", "lstm-rmsprop", True, False),
        ("one-hot-5class", "feedforward", False, False),
        ("strings-15class", "mann", True, True),
        ("strings-15class", "mann-feedforward", False, True),
    ],
)
def test_networks_start_glorot_uniform(cell, variant, lstm, memory):
    weights = drawn(lambda seed: published_method("mann", cell, variant, seed).weights(), 1)
    if lstm:
        forget = weights["input_bias"][:, 200:400]
        assert forget.eq(1).all()
        forget.zero_()
    assert_starts(weights, laws(cell, lstm, memory))
