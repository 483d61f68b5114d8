"""MANN: against torch's LSTM, what a step may know, the metric, resume, and small trainings."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from harness.catalog import Variant, find_cell, papers
from harness.errors import HarnessError
from harness.report.step_plot import counted
from harness.run.setup import Setup
from replications.mann.memory import start, step
from replications.mann.method import PRINTED, Mann, optimiser
from replications.mann.tasks import ClassSequences, SequenceBatch

CELLS = papers()["mann"].cells
CPU = torch.device("cpu")
SMALL = {"tasks.dataset": "glyphs", "method.units": 12, "method.locations": 9, "method.width": 4}


def variant(cell: str = "one-hot-5class", name: str = "mann", **switches: Any) -> Variant:
    changed = {k.replace("__", "."): v for k, v in switches.items()}
    return CELLS[cell].variant(name, SMALL | {"method.heads": 2} | changed)


def build(v: Variant, seed: int = 0) -> tuple[Mann, ClassSequences]:
    tasks = ClassSequences(v.tasks, seed, 1, CPU)
    return Mann(v.method, tasks, CPU, "", torch.Generator().manual_seed(seed)), tasks


def double(method: Mann, batch: SequenceBatch) -> SequenceBatch:
    method.parameters = {k: w.detach().double() for k, w in method.parameters.items()}
    return dataclasses.replace(batch, images=batch.images.double())


def test_without_memory_it_is_torchs_lstm() -> None:
    method, tasks = build(variant(name="lstm"))
    batch = double(method, tasks.batch("train", 0, 3))
    p = method.parameters
    torch.manual_seed(0)
    lstm = torch.nn.LSTM(405, 12, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        # torch's order of gates is input, forget, candidate, output; ours has the output third.
        order = torch.arange(48).view(4, 12)[[0, 1, 3, 2]].flatten()
        lstm.weight_ih_l0.copy_(p["input"][order])
        lstm.weight_hh_l0.copy_(p["hidden"][order])
        lstm.bias_ih_l0.copy_(p["input_bias"][order])
        lstm.bias_hh_l0.zero_()
    x = torch.zeros(3, 50, 405, dtype=torch.float64)
    x[:, :, :400] = batch.images.flatten(2)
    for t in range(3):
        for i in range(1, 50):
            x[t, i, 400 + batch.labels[t, i - 1, 0]] = 1.0
    wanted = F.linear(lstm(x)[0], p["output"], p["output_bias"]).unsqueeze(2)
    torch.testing.assert_close(method.logits(batch), wanted)


def test_a_memory_that_nobody_reads_changes_nothing() -> None:
    (mann, tasks), (lstm, _) = build(variant()), build(variant(name="lstm"))
    batch = double(mann, tasks.batch("train", 0, 2))
    double(lstm, batch)
    assert not torch.allclose(mann.logits(batch), lstm.logits(batch))
    mann.parameters["read"].zero_()
    mann.parameters["output"][:, 12:] = 0.0
    for name in lstm.parameters:
        lstm.parameters[name] = mann.parameters[name]
    lstm.parameters["output"] = mann.parameters["output"][:, :12]
    torch.testing.assert_close(mann.logits(batch), lstm.logits(batch))


def written_out(method: Mann, batch: SequenceBatch) -> Tensor:
    """Logits of an LSTM with memory, from the paper's sentences, one step after the other."""
    s, p = method.settings, method.parameters
    shape = (len(batch), s.heads, s.width)
    images = batch.images.flatten(2)
    told = torch.zeros_like(images[:, 0, : p["output"].shape[0]])
    hidden = cell = images.new_zeros(len(batch), s.units)
    reads = images.new_zeros(len(batch), s.heads * s.width)
    memory = start(len(batch), s.locations, s.width, s.heads, images)
    given = []
    for image, label in zip(images.unbind(1), batch.labels.unbind(1), strict=True):
        total = torch.cat([image, told], 1) @ p["input"].T + p["input_bias"]
        total = total + hidden @ p["hidden"].T + reads @ p["read"].T
        enter, forget, leave = total[:, : 3 * s.units].sigmoid().split(s.units, 1)
        cell = forget * cell + enter * total[:, 3 * s.units :].tanh()
        hidden = leave * cell.tanh()
        keys = (hidden @ p["key"].T + p["key_bias"]).tanh().view(shape)
        gates = (hidden @ p["gate"].T + p["gate_bias"]).sigmoid()
        read, memory = step(memory, keys, gates, s.usage_decay)
        reads = read.flatten(1)
        given.append(torch.cat([hidden, reads], 1) @ p["output"].T + p["output_bias"])
        told = F.one_hot(label, method.label_shape[1]).to(images.dtype).flatten(1)
    return torch.stack(given, 1).unflatten(2, method.label_shape)


@pytest.mark.parametrize(("cell", "decay"), [("one-hot-5class", 0.95), ("strings-5class", 0.3)])
def test_logits_and_gradients_are_those_of_a_plain_loop(cell: str, decay: float) -> None:
    method, tasks = build(variant(cell, method__usage_decay=decay))
    batch = double(method, tasks.batch("train", 0, 3))
    for w in method.parameters.values():
        w.mul_(3).requires_grad_()  # far enough from zero for the memory to matter
    logits = written_out(method, batch)
    torch.testing.assert_close(method.logits(batch), logits)
    # Cross-entropy, summed over steps and symbols, mean over sequences.
    right = logits.log_softmax(-1).gather(-1, batch.labels.unsqueeze(-1))
    wanted = torch.autograd.grad(-right.sum() / 3, list(method.parameters.values()))
    method.train_step(batch, 0)
    for (name, w), gradient in zip(method.parameters.items(), wanted, strict=True):
        assert float(gradient.abs().max()) > 0, name
        torch.testing.assert_close(w.grad, gradient, msg=name)


@pytest.mark.parametrize("bias", [0.0, 1.5])
def test_the_forget_gates_bias_is_the_switch_and_others_are_zero(bias: float) -> None:
    method, _ = build(variant(method__forget_bias=bias))
    biases = {k: w.tolist() for k, w in method.parameters.items() if k.endswith("bias")}
    assert biases.pop("input_bias") == [0.0] * 12 + [bias] * 12 + [0.0] * 24
    assert not any(any(values) for values in biases.values())


@pytest.mark.parametrize("centred", [True, False])
def test_every_switch_of_rmsprop_is_used(centred: bool) -> None:
    wanted = {"lr": 0.002, "alpha": 0.8, "momentum": 0.3, "eps": 0.07, "centered": centred}
    ours = ("learning_rate", "decay", "momentum", "epsilon", "centred")
    switches = {f"method__{name}": v for name, v in zip(ours, wanted.values(), strict=True)}
    method, _ = build(variant(**switches))
    (group,) = method.optimiser.param_groups
    assert wanted.items() <= group.items()
    assert [id(w) for w in group["params"]] == [id(w) for w in method.parameters.values()]


def by_hand(name: str, w: np.ndarray, gradients: np.ndarray, centred: bool) -> np.ndarray:
    """Steps of the optimisers of public ports, from TensorFlow 1's sources and Adam's paper."""
    rate, decay, momentum, epsilon = 0.01, 0.9, 0.7, 1e-3
    square, mean, moved = np.ones_like(w), np.zeros_like(w), np.zeros_like(w)
    if name == "adam":
        square = np.zeros_like(w)
    for t, g in enumerate(gradients, 1):
        square = decay * square + (1 - decay) * g**2
        if name == "adam":
            mean = momentum * mean + (1 - momentum) * g
            root = np.sqrt(square / (1 - decay**t))
            w = w - rate * mean / (1 - momentum**t) / (root + epsilon)
            continue
        mean = decay * mean + (1 - decay) * g
        moved = momentum * moved + rate * g / np.sqrt(square - centred * mean**2 + epsilon)
        w = w - moved
    return w


@pytest.mark.parametrize(
    ("name", "centred"), [("rmsprop", False), ("rmsprop", True), ("adam", False)]
)
def test_the_ports_optimisers_take_the_steps_of_their_rules(name: str, centred: bool) -> None:
    changed = {"learning_rate": 0.01, "decay": 0.9, "momentum": 0.7, "epsilon": 1e-3}
    v = variant(method__optimiser=name, method__centred=centred)
    w = torch.linspace(-1, 1, 5, dtype=torch.float64).requires_grad_()
    start = w.detach().numpy().copy()
    gradients = np.random.default_rng(0).normal(0, [1e-4, 1e-2, 0.1, 1, 10], (30, 5))
    taken = optimiser([w], dataclasses.replace(v.method, **changed))
    for g in gradients:
        w.grad = torch.from_numpy(g)
        taken.step()
    wanted = by_hand(name, start, gradients, centred)
    np.testing.assert_allclose(w.detach().numpy(), wanted, rtol=1e-12)


@pytest.mark.parametrize("name", ["mann", "mann-feedforward", "lstm", "feedforward"])
def test_a_step_knows_labels_up_to_the_one_before(name: str) -> None:
    method, tasks = build(variant("strings-5class", name))
    batch = double(method, tasks.batch("train", 0, 1))
    labels, images = batch.labels.clone(), batch.images.clone()
    labels[:, 20:] = (labels[:, 20:] + 1) % 5
    images[:, 21:] = 1 - images[:, 21:]
    other = method.logits(dataclasses.replace(batch, labels=labels, images=images))
    moved = (method.logits(batch) - other).abs().amax((0, 2, 3)) > 1e-12
    assert not moved[:21].any(), "the label of step 20 is told at step 21"
    assert moved[21]
    # What was told once stays known, unless there is neither a memory nor a state.
    labels = batch.labels.clone()
    labels[:, 20] = (labels[:, 20] + 1) % 5
    other = method.logits(dataclasses.replace(batch, labels=labels))
    moved = (method.logits(batch) - other).abs().amax((0, 2, 3)) > 1e-12
    assert moved[22:].any() == (name != "feedforward")


def test_accuracy_is_that_of_an_instance_and_of_whole_labels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    method, tasks = build(variant("strings-5class"))
    batch = tasks.batch("train", 0, 4)
    named = batch.labels.clone()
    named[..., 2] = torch.where(batch.instance < 3, (named[..., 2] + 1) % 5, named[..., 2])
    first = (batch.instance == 4).float().argmax(1)  # one of five wrong at the fourth instance
    named[torch.arange(4), first, 0] = (named[torch.arange(4), first, 0] + 1) % 5
    monkeypatch.setattr(method, "logits", lambda _: 5.0 * F.one_hot(named, 5).float())
    scores = method.evaluate(batch)
    assert tuple(scores) == method.metrics(method.settings)
    percentages = [scores[f"accuracy@{k}"].tolist() for k in PRINTED]
    assert percentages == [[0.0] * 4, [0.0] * 4, [100.0] * 4, [80.0] * 4, [100.0] * 4, [100.0] * 4]
    assert scores["loss"].shape == (4,)


@pytest.mark.parametrize(
    ("cell", "name"),
    [("one-hot-5class", "mann"), ("one-hot-5class", "lstm"), ("strings-5class", "feedforward")],
)
def test_training_goes_down_on_one_batch(cell: str, name: str) -> None:
    v = variant(cell, name, method__learning_rate=0.003, tasks__instances=3)
    method, tasks = build(v)
    batch = tasks.batch("train", 0, 4)
    losses = [float(method.train_step(batch, i)) for i in range(30)]
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("name", ["rmsprop-graves", "rmsprop", "adam"])
def test_stopped_and_resumed_it_takes_the_same_steps(name: str) -> None:
    v = variant(method__optimiser=name)
    (straight, tasks), (other, _) = build(v), build(v, seed=1)
    batches = [tasks.batch("train", 16 * i, 2) for i in range(3)]
    straight.train_step(batches[0], 0)
    other.load_weights(straight.weights())
    other.load_training_state(copy.deepcopy(straight.training_state()))
    for i in (1, 2):
        assert torch.equal(straight.train_step(batches[i], i), other.train_step(batches[i], i))
    for name, w in straight.weights().items():
        assert torch.equal(w, other.weights()[name])


def test_instances_are_not_taken_for_test_steps() -> None:
    assert counted(CELLS["one-hot-5class"]) == "instances of a class"
    assert counted(find_cell("maml/sinusoid-5shot")) == "steps at test"
    v = variant(testing__best_of_steps=True)
    setup = Setup.at("smoke", v)
    with pytest.raises(HarnessError, match="counts instances of a class, not steps at test"):
        setup.method(setup.tasks())


def test_more_heads_than_locations_are_refused() -> None:
    with pytest.raises(HarnessError, match=r"method.heads: found 10, wanted at most"):
        build(variant(method__heads=10))


def test_the_table_is_the_papers() -> None:
    lines = CELLS["one-hot-5class"].published
    values = {v: [p.value for p in lines if v in p.variants] for v in ("mann", "lstm")}
    assert values["mann"] == [36.4, 82.8, 91.0, 92.6, 94.9, 98.1]
    assert values["lstm"] == [24.4, 49.5, 55.3, 61.0, 63.6, 62.5]
    for cell in CELLS.values():
        for name in cell.variants:
            v = cell.variant(name)
            assert (v.tasks.classes, v.tasks.label_length) in ((5, 1), (5, 5), (15, 5))
            assert (v.method.locations, v.method.width, v.method.heads) == (128, 40, 4)
            if v.method.optimiser == "rmsprop-graves":  # Graves (2013) has 1e-4 inside the root.
                settings = (v.method.centred, v.method.decay, v.method.epsilon**2)
                assert settings == (True, 0.95, 1e-4)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_gives_the_same_logits() -> None:
    v = variant()
    method, tasks = build(v)
    there = ClassSequences(v.tasks, 0, 1, torch.device("cuda"))
    other = Mann(v.method, there, torch.device("cuda"), "", torch.Generator().manual_seed(0))
    a = method.logits(tasks.batch("train", 0, 2))
    b = other.logits(there.batch("train", 0, 2))
    torch.testing.assert_close(b.cpu(), a, rtol=1e-3, atol=1e-4)
