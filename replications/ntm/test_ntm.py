"""NTM: counts of parameters, what a loss is, masking, resume, small trainings and refusals."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from harness.catalog import papers
from harness.errors import HarnessError
from harness.paper_tests.resume import same_weights, with_and_without_stop
from harness.paper_tests.smoke_plans import smoke_method
from harness.paper_tests.switch_effects import (
    TESTING,
    THROUGHOUT,
    TRAINING,
    assert_seen,
    maker,
    switch_names,
)
from harness.report.step_plot import counted
from replications.ntm.memory import rotations, step
from replications.ntm.method import ALGORITHMS, LstmSettings, NtmSettings
from replications.ntm.tasks import CopyBatch

CELLS = papers()["ntm"].cells
VARIANTS = ("ntm-lstm", "ntm-feedforward", "lstm")
SMALL = {
    "tasks.bits": 3,
    "tasks.longest": 3,
    "tasks.longest_at_test": 5,
    "method.units": 12,
    "method.report_lengths": (2, 5),
    "method.learning_rate": 0.003,
}
MACHINE = {"method.locations": 9, "method.width": 4}
BOTH = {
    "learning_rate": (TRAINING, (1e-3, 1e-2)),
    "decay": (TRAINING, (0.5, 0.95)),
    "momentum": (TRAINING, (0.0, 0.9)),
    "epsilon": (TRAINING, (1e-4, 1e-2)),
    "centred": (TRAINING, ()),
    "clip": (TRAINING, (1e-3, 10.0)),
    "loss": (TRAINING, ()),
    "report_lengths": (TESTING, ((2, 5), (1, 5))),
    "units": (THROUGHOUT, (12, 13)),
}
"""Where each switch is seen; with its values, where they are not choices by name."""
SEEN = {
    "ntm-lstm": BOTH
    | {
        "controller": (THROUGHOUT, ()),
        "locations": (THROUGHOUT, (9, 12)),
        "width": (THROUGHOUT, (4, 5)),
        "reach": (THROUGHOUT, (1, 2)),
        "learned_start": (TRAINING, ()),
    },
    "lstm": BOTH | {"layers": (THROUGHOUT, (1, 2))},
}
SETTINGS = {"ntm-lstm": NtmSettings, "lstm": LstmSettings}


def small(name: str, **switches: Any) -> tuple[Any, Any]:
    changed = SMALL | (MACHINE if name != "lstm" else {})
    return smoke_method("ntm/copy", name, changed, **switches)


def double(method: Any, batch: CopyBatch) -> CopyBatch:
    method.model.double()
    return CopyBatch(batch.vectors.double(), batch.lengths)


@pytest.mark.parametrize(
    ("name", "missing"), [("ntm-feedforward", 1101), ("ntm-lstm", 2000), ("lstm", 0)]
)
def test_parameters_beside_the_number_printed(name: str, missing: int) -> None:
    """The printed counts are of 10 inputs and 9 outputs (see the departures in the README)."""
    v = CELLS["copy"].variant(name)
    tasks = SimpleNamespace(input_width=10, target_width=9, settings=v.tasks)
    generator = torch.Generator().manual_seed(0)
    method = ALGORITHMS[v.algorithm](v.method, tasks, torch.device("cpu"), "", generator)
    here = sum(p.numel() for p in method.model.parameters())
    note = {"ntm-feedforward": "feedforward", "ntm-lstm": "LSTM controller", "lstm": "LSTM, 3"}
    (printed,) = [
        line.value
        for line in CELLS["copy"].published
        if line.metric == "parameters" and note[name] in line.note
    ]
    assert printed - here == missing


def written_out(net: Any, x: Tensor) -> Tensor:
    """Logits of a Neural Turing Machine, one step and one product after the other; x [T, S, I]."""
    s, t = net.s, len(x)
    memory = torch.stack([net.memory] * t)
    read = torch.stack([net.first_read] * t)
    weighting = x.new_zeros(t, 2, s.locations)
    if s.controller == "lstm":
        hidden, cell = torch.stack([net.hidden] * t), torch.stack([net.cell] * t)
    given = []
    for now in x.unbind(1):
        total = now @ net.input.T + net.input_bias + read @ net.carried[:, : s.width].T
        if s.controller == "lstm":
            total = total + hidden @ net.carried[:, s.width :].T
            enter, forget, leave, candidate = total.split(s.units, 1)
            cell = forget.sigmoid() * cell + enter.sigmoid() * candidate.tanh()
            hidden = leave.sigmoid() * cell.tanh()
        else:
            hidden = total.tanh()
        told = hidden @ net.heads.T + net.heads_bias
        looked, weighting, memory = step(memory, weighting, told, rotations(s.locations, 3).to(x))
        read = looked[:, 0]
        given.append(torch.cat([hidden, read], 1) @ net.output.T + net.output_bias)
    return torch.stack(given, 1)


@pytest.mark.parametrize("name", ["ntm-lstm", "ntm-feedforward"])
def test_gradients_are_those_of_a_plain_loop(name: str) -> None:
    method, tasks = small(name, method__clip=1e9)
    batch = double(method, tasks.batch("train", 0, 6))
    logits, targets = batch.answers(written_out(method.model, batch.inputs())), batch.targets()
    nats = F.binary_cross_entropy_with_logits(
        logits, targets, batch.asked()[..., None], reduction="sum"
    )
    wanted = torch.autograd.grad(nats / 6, list(method.model.parameters()))
    bits = method.train_step(batch, 0)
    torch.testing.assert_close(bits, nats.detach() / 6 / math.log(2))
    for (which, p), gradient in zip(method.model.named_parameters(), wanted, strict=True):
        assert float(gradient.abs().max()) > 0, which
        torch.testing.assert_close(p.grad, gradient, msg=which)


def test_weights_are_drawn_as_the_readme_says() -> None:
    v = CELLS["copy"].variant("ntm-lstm")
    tasks = SimpleNamespace(input_width=9, target_width=8, settings=v.tasks)
    generator = torch.Generator().manual_seed(0)
    net = ALGORITHMS["ntm"](v.method, tasks, torch.device("cpu"), "", generator).model
    bounds = {
        **dict.fromkeys(("input", "carried"), 5 / math.sqrt(129)),
        **{"heads": 0.2475, "output": math.sqrt(6 / 128), "memory": 1 / math.sqrt(148)},
    }
    sds = {
        **dict.fromkeys(("hidden", "cell"), 0.05),
        **dict.fromkeys(("first_read", "heads_bias", "output_bias"), 0.01),
    }
    for name, w in net.state_dict().items():
        if name in bounds:
            assert float(w.abs().max()) == pytest.approx(bounds[name], rel=0.01), name
        elif name in sds:  # of 8 to 100 numbers
            assert float(w.square().mean().sqrt()) == pytest.approx(sds[name], rel=0.5), name
        else:
            assert name == "input_bias"
            assert not w.any()


@pytest.mark.parametrize("name", ["ntm-lstm", "lstm"])
@pytest.mark.parametrize("centred", [True, False])
def test_every_switch_of_rmsprop_is_used(name: str, centred: bool) -> None:
    wanted = {"lr": 0.002, "alpha": 0.8, "momentum": 0.3, "eps": 0.07, "centered": centred}
    ours = ("learning_rate", "decay", "momentum", "epsilon", "centred")
    switches = {f"method__{k}": v for k, v in zip(ours, wanted.values(), strict=True)}
    method, _ = small(name, **switches)
    (group,) = method.optimiser.param_groups
    assert wanted.items() <= group.items()
    assert [id(w) for w in group["params"]] == [id(w) for w in method.model.parameters()]


@pytest.mark.parametrize("name", VARIANTS)
def test_who_says_one_half_loses_every_bit(name: str) -> None:
    method, tasks = small(name)
    batch = double(method, tasks.batch("val", 0, 6))
    with torch.no_grad():
        output = method.model.output
        for w in output.parameters() if name == "lstm" else (output, method.model.output_bias):
            w.zero_()
    scores = method.evaluate(batch)
    assert tuple(scores) == method.metrics(method.settings)
    assert scores["loss"].tolist() == pytest.approx((3 * batch.lengths).tolist())
    assert scores["loss@5"].tolist() == pytest.approx([15.0] * 6)
    # A logit of 0 counts as the answer 0: what is wrong are the ones.
    assert torch.equal(scores["bits@2"], batch.vectors[:, :2].sum((1, 2)))


def test_who_copies_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    method, tasks = small("lstm")
    batch = tasks.batch("val", 0, 5)

    def copied(x: torch.Tensor) -> torch.Tensor:
        given = torch.zeros(len(x), x.shape[1], 3)
        for i, shown in enumerate(x):
            length = int(shown[:, -1].argmax())
            given[i, length + 1 : 2 * length + 1] = 100 * (shown[:length, :-1] - 0.5)
        return given

    monkeypatch.setattr(method, "model", copied)
    assert all(float(score.abs().max()) < 1e-12 for score in method.evaluate(batch).values())


@pytest.mark.parametrize("name", VARIANTS)
def test_sequences_of_mixed_lengths_are_scored_as_one_by_one(name: str) -> None:
    method, tasks = small(name)
    batch = double(method, tasks.batch("train", 0, 8))
    assert len(batch.lengths.unique()) > 1
    losses, wrong = method.losses(batch)
    for i in range(8):
        one = CopyBatch(batch.vectors[i : i + 1], batch.lengths[i : i + 1])
        alone = method.losses(one)
        torch.testing.assert_close(losses[i : i + 1], alone[0])
        torch.testing.assert_close(wrong[i : i + 1], alone[1])


@pytest.mark.parametrize("name", VARIANTS)
def test_training_goes_down(name: str) -> None:
    method, tasks = small(name, tasks__longest=1, tasks__bits=2)
    losses = [float(method.train_step(tasks.batch("train", 4 * i, 4), i)) for i in range(120)]
    assert sum(losses[-20:]) < 0.8 * sum(losses[:20])


def test_the_switch_of_the_loss_is_a_factor_before_clipping() -> None:
    gradients = {}
    for loss in ("mean", "sum"):
        method, tasks = small("ntm-lstm", method__loss=loss, method__clip=1e9)
        batch = tasks.batch("train", 0, 1)
        method.train_step(batch, 0)
        gradients[loss] = method.model.heads.grad
    factor = 3 * float(batch.lengths)
    torch.testing.assert_close(gradients["sum"], factor * gradients["mean"])
    method, tasks = small("ntm-lstm", method__clip=1e-4)
    method.train_step(batch, 0)
    entries = torch.cat([p.grad.flatten() for p in method.model.parameters()])
    assert float(entries.abs().max()) == pytest.approx(1e-4)


@pytest.mark.parametrize("learned", [True, False])
def test_the_first_memory_is_learned_where_that_is_asked(learned: bool) -> None:
    method, tasks = small("ntm-feedforward", method__learned_start=learned)
    before = method.weights()
    method.train_step(tasks.batch("train", 0, 4), 0)
    after = method.weights()
    for name in ("memory", "first_read"):
        assert torch.equal(before[name], after[name]) != learned
    assert not torch.equal(before["heads"], after["heads"])


@pytest.mark.parametrize("name", VARIANTS)
def test_stopped_and_resumed_it_ends_with_the_same_weights(name: str) -> None:
    _, tasks = small(name)
    batches = [tasks.batch("train", 2 * i, 2) for i in range(4)]

    def elsewhere() -> Any:
        method, _ = small(name)
        method.load_weights({k: w + 1 for k, w in method.weights().items()})
        return method

    straight, stopped = with_and_without_stop(lambda: small(name)[0], batches, 2, elsewhere)
    assert same_weights(straight, stopped)


def test_k_counts_vectors() -> None:
    assert counted(CELLS["copy"]) == "vectors of a sequence"
    with pytest.raises(HarnessError, match="counts vectors of a sequence, not steps at test"):
        small("lstm", testing__best_of_steps=True)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(HarnessError, match=r"method.report_lengths: found 6, wanted at most"):
        small("lstm", method__report_lengths=(2, 6))
    with pytest.raises(HarnessError, match=r"method.reach: found 5, wanted 2 reach"):
        small("ntm-lstm", method__reach=5)


def test_switches_are_the_papers() -> None:
    for cell in CELLS.values():
        for name in VARIANTS:
            v = cell.variant(name)
            assert (v.tasks.bits, v.tasks.shortest, v.tasks.longest) == (8, 1, 20)
            assert (v.method.momentum, v.method.clip) == (0.9, 10.0)
            # Graves (2013) has 1e-4 inside the root.
            assert (v.method.centred, v.method.decay, v.method.epsilon**2) == (True, 0.95, 1e-4)
            if name == "lstm":
                assert (v.method.layers, v.method.units, v.method.learning_rate) == (3, 256, 3e-5)
            else:
                assert (v.method.locations, v.method.width, v.method.units) == (128, 20, 100)
                assert v.method.learning_rate == 1e-4


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", VARIANTS)
def test_cuda_gives_the_same_losses(name: str) -> None:
    method, tasks = small(name)
    batch = double(method, tasks.batch("train", 0, 4))
    here, _ = method.losses(batch)
    method.model.cuda()
    there, _ = method.losses(CopyBatch(batch.vectors.cuda(), batch.lengths.cuda()))
    torch.testing.assert_close(there.cpu(), here)


@pytest.mark.parametrize(
    ("variant", "switch"), [(v, s) for v in SETTINGS for s in switch_names(SETTINGS[v])]
)
def test_each_switch_is_seen_where_it_works(variant: str, switch: str) -> None:
    changed = SMALL | (MACHINE if variant != "lstm" else {})
    make, (_, tasks) = maker("ntm/copy", variant, changed), small(variant)
    steps, test = [tasks.batch("train", i, 1) for i in range(3)], tasks.batch("val", 0, 20)
    assert_seen(SEEN[variant], SETTINGS[variant], switch, make, steps, test)
