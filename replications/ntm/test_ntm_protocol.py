"""Protocol of Neural Turing Machines on copying, and how their networks start: literals beside
`paper.toml`.

Sources: the paper (arXiv 1410.5401, 4.1 and 4.6, Tables 1 to 3), Graves (2013) for the form of
RMSprop, and loudinthecloud/pytorch-ntm for what they leave open (README.md, departures 1 to 10).
"""

from __future__ import annotations

import math

import pytest

from harness.paper_tests.protocol_tables import (
    assert_every_variant,
    assert_protocol,
    joined,
    lines,
    rows,
)
from harness.paper_tests.published_methods import published_method
from harness.paper_tests.starts import assert_law, assert_starts, drawn, glorot, normal, uniform

COPYING = {
    "task_source": "copy_sequences",
    "tasks.bits": 8,  # 4.1
    "tasks.shortest": 1,
    "tasks.longest": 20,
    "tasks.longest_at_test": 120,  # Figures 4 and 5
    "method.decay": 0.95,  # Graves (2013), as the next two
    "method.epsilon": 0.01,  # 1e-4 inside the root
    "method.centred": True,
    "method.momentum": 0.9,  # 4.6
    "method.clip": 10.0,  # 4.6
    "method.loss": "sum",  # departure 3
    "training.meta_batch": 1,  # copytask.py, batch_size
    "training.selection": "last",
    "training.patience": 0,
    "testing.tasks": 1000,  # ours
    "testing.best_of_steps": False,
}
CELLS = {
    "copy": {"training.iterations": 50000},  # copytask.py, num_batches
    "copy-500k": {"training.iterations": 500000},
}
# Tables 1 and 2: one head, 100 units, 128 x 20, rate 1e-4. 3.3.2: shifts by -1, 0 and 1.
MACHINE = {
    "algorithm": "ntm",
    "method.controller": "lstm",
    "method.units": 100,
    "method.locations": 128,
    "method.width": 20,
    "method.reach": 1,
    "method.learned_start": True,
    "method.learning_rate": 1e-4,
}
# Table 3: three layers of 256, rate 3e-5.
LSTM = {
    "algorithm": "lstm",
    "method.units": 256,
    "method.layers": 3,
    "method.learning_rate": 3e-5,
}
# copytask.py: torch's RMSprop as it comes, BCELoss's mean; ntm.py, memory.py: buffers.
AS_THE_PORT = MACHINE | {
    "method.epsilon": 1e-8,
    "method.centred": False,
    "method.loss": "mean",
    "method.learned_start": False,
}
PAPERS = {
    "ntm-lstm": MACHINE,
    "ntm-feedforward": MACHINE | {"method.controller": "feedforward"},
    "lstm": LSTM,
}
TABLE = joined(
    rows(COPYING, CELLS, PAPERS),
    rows(COPYING, {"copy": CELLS["copy"]}, {"ntm-lstm-as-pytorch-ntm": AS_THE_PORT}),
)


@pytest.mark.parametrize(("cell", "variant"), lines(TABLE))
def test_the_protocol_is_as_printed(cell, variant):
    assert_protocol("ntm", cell, variant, TABLE)


def test_every_variant_has_a_row():
    assert_every_variant("ntm", TABLE)


def method_of(variant, seed=0):
    """A method of cell `copy`: a bit more goes in, the delimiter's."""
    return published_method("ntm", "copy", variant, seed, {"input_width": 9, "target_width": 8})


@pytest.mark.parametrize(
    ("variant", "rate", "epsilon", "centred"),
    [
        ("ntm-lstm", 1e-4, 0.01, True),
        ("lstm", 3e-5, 0.01, True),
        ("ntm-lstm-as-pytorch-ntm", 1e-4, 1e-8, False),
    ],
)
def test_training_is_by_rmsprop(variant, rate, epsilon, centred):
    method = method_of(variant)
    assert type(method.optimiser).__name__ == "RMSprop"
    (group,) = method.optimiser.param_groups
    wanted = {"lr": rate, "alpha": 0.95, "momentum": 0.9, "eps": epsilon, "centered": centred}
    assert {k: group[k] for k in wanted} == wanted
    assert group["weight_decay"] == 0


# pytorch-ntm's head.py, controller.py, ntm.py and memory.py; both heads are one matrix here, of 92
# numbers, and the feedforward controller, which is not in it, is Glorot uniform (departure 10).
MACHINE_LAWS = {
    "heads": uniform(1.4 * math.sqrt(6 / (92 + 100))),
    "heads_bias": normal(0.01),
    "output": glorot(120, 8),
    "output_bias": normal(0.01),
    "memory": uniform(1 / math.sqrt(148)),
    "first_read": normal(0.01),
    "input_bias": 0,
}
FIVE = uniform(5 / math.sqrt(29 + 100))
WITH_LSTM = MACHINE_LAWS | {
    "input": FIVE,
    "carried": FIVE,
    "hidden": normal(0.05),
    "cell": normal(0.05),
}
WITHOUT = MACHINE_LAWS | {"input": glorot(29, 100), "carried": glorot(29, 100)}


@pytest.mark.parametrize(
    ("variant", "laws"),
    [
        ("ntm-lstm", WITH_LSTM),
        ("ntm-feedforward", WITHOUT),
        ("ntm-lstm-as-pytorch-ntm", WITH_LSTM),
    ],
)
def test_machines_start_as_in_the_port(variant, laws):
    assert_starts(drawn(lambda seed: method_of(variant, seed).weights(), 50), laws)


def test_the_lstm_starts_uniform_with_biases_of_zero():
    """Within 1 / sqrt(256), which the paper does not say."""
    weights, law = drawn(lambda seed: method_of("lstm", seed).weights(), 1), uniform(1 / 16)
    for k in range(3):
        weights[f"layers.{k}.bias"] = weights[f"layers.{k}.weight_ih_l0"][..., 9].clone()
        # Without the column of the constant input.
        keep = [i for i in range(weights[f"layers.{k}.weight_ih_l0"].shape[-1]) if i != 9]
        weights[f"layers.{k}.weight_ih_l0"] = weights[f"layers.{k}.weight_ih_l0"][..., keep]
    assert_law(weights.pop("start"), law, "states before the first step")
    assert_starts(weights, {"layers.*.weight_*": law, "output.weight": law, "*.bias": 0})
