"""Siamese networks: the paper's formulas by hand, the two ways through the network, thresholds."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from harness.catalog import Variant, papers
from harness.errors import HarnessError
from harness.paper_tests.switch_effects import (
    AFTER,
    BEFORE,
    THROUGHOUT,
    TRAINING,
    WEIGHTS,
    assert_seen,
    switch_names,
)
from harness.records.schema import read_record
from harness.run.loop import run
from harness.run.plan import Plan
from harness.run.setup import Setup
from harness.tasks.batch import SupervisedBatch
from replications.siamese.method import NearestPixels, Siamese, best_threshold
from replications.siamese.network import Twin
from replications.siamese.tasks import ImagePairs, PairBatch

CELLS = papers()["siamese"].cells
CPU = torch.device("cpu")
SMALL = {"tasks.dataset": "glyphs", "tasks.image_size": 40}
NETWORK = {
    "method.filters": [3, 4, 5, 6],
    "method.kernels": [5, 3, 3, 2],
    "method.units": 12,
    "training.meta_batch": 8,
}
SEEN: dict[str, tuple[frozenset[str], tuple[Any, ...]]] = {
    "filters": (THROUGHOUT, ([3, 4, 5, 6], [4, 4, 5, 6])),
    "kernels": (THROUGHOUT, ([5, 3, 3, 2], [3, 3, 3, 2])),
    "units": (THROUGHOUT, (8, 12)),
    "learning_rates": (TRAINING, ([0.1] * 6, [0.1] * 5 + [0.2])),
    "momenta": (TRAINING, ([0.9] * 6, [0.9] * 5 + [0.5])),
    "l2_penalties": (TRAINING, ([1e-4] * 6, [1e-4] * 5 + [0.1])),
    "rate_decay": (TRAINING, (0.99, 0.5)),
    "first_momentum": (TRAINING, (0.5, 0.1)),
    "momentum_epochs": (TRAINING, (2, 4)),
    "test_threshold": (frozenset({BEFORE, WEIGHTS, AFTER}), ()),
}
"""Where each switch is seen; with its values, where they are not choices by name."""


def variant(cell: str = "verification-30k", name: str = "plain", **switches: Any) -> Variant:
    changed = {k.replace("__", "."): v for k, v in switches.items()}
    network = {} if name.startswith("nearest") else NETWORK
    return CELLS[cell].variant(name, SMALL | network | changed)


def build(v: Variant, seed: int = 0) -> tuple[Siamese, ImagePairs]:
    tasks = ImagePairs(v.tasks, seed, 1, CPU)
    return Siamese(v.method, tasks, CPU, "", torch.Generator().manual_seed(seed)), tasks


def pairs(tasks: ImagePairs, first: int = 0, count: int = 8) -> PairBatch:
    batch = tasks.batch("train", first, count)
    assert isinstance(batch, PairBatch)
    return batch


def test_two_steps_are_those_of_the_papers_formulas() -> None:
    """Section 3.1 and 3.2 written out with `conv2d`, one pair at a time, and momentum by hand."""
    rates, momenta = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    penalties = [0.01, 0.02, 0.03, 0.04, 0.05, 0.06]
    v = variant(
        method__learning_rates=rates,
        method__momenta=momenta,
        method__l2_penalties=penalties,
        method__momentum_epochs=2,
        tasks__train_pairs=8,
    )
    method, tasks = build(v)
    method.model.double()
    method.steps = {k: w.double() for k, w in method.steps.items()}
    p = {k: w.clone() for k, w in method.weights().items() if k != "threshold"}
    last = {k: torch.zeros_like(w) for k, w in p.items()}
    wide = [f"twin.layers.{i}" for i in range(5)] + ["weighing"]

    def vector(image: Tensor) -> Tensor:
        h = image
        for i in range(4):
            h = F.conv2d(h, p[f"{wide[i]}.weight"], p[f"{wide[i]}.bias"]).clamp(min=0)
            h = F.max_pool2d(h, 2) if i < 3 else h
        out = p[f"{wide[4]}.weight"] @ h.flatten() + p[f"{wide[4]}.bias"]
        return 1 / (1 + (-out).exp())

    for step in range(2):  # the second one is the second epoch: 8 pairs a batch
        batch = pairs(tasks, 8 * step)
        batch = PairBatch(batch.first.double(), batch.second.double(), batch.same)
        trained_loss = method.train_step(batch, step)
        for w in p.values():
            w.requires_grad_()
        loss = torch.zeros((), dtype=torch.float64)
        for one, other, same in zip(batch.first, batch.second, batch.same, strict=True):
            distance = (vector(one) - vector(other)).abs()
            alpha, bias = p["weighing.weight"][0], p["weighing.bias"][0]
            probability = 1 / (1 + (-(alpha @ distance) - bias).exp())
            loss = loss - torch.log(probability if same else 1 - probability) / 8
        torch.testing.assert_close(trained_loss, loss.detach())
        for i, layer in enumerate(wide):
            loss = loss + penalties[i] * p[f"{layer}.weight"].square().sum()
        grads = dict(zip(p, torch.autograd.grad(loss, list(p.values())), strict=True))
        for i, layer in enumerate(wide):
            momentum = 0.5 if step == 0 else (0.5 + momenta[i]) / 2
            for name in (f"{layer}.weight", f"{layer}.bias"):
                last[name] = momentum * last[name] - rates[i] * 0.99**step * grads[name]
                p[name] = p[name].detach() + last[name]
        for name, w in method.weights().items():
            if name != "threshold":
                torch.testing.assert_close(w, p[name])


def test_both_ways_through_the_network_are_one_function() -> None:
    twin = Twin((1, 40, 40), (3, 4, 5, 6), (5, 3, 3, 2), 12, torch.Generator().manual_seed(0))
    twin.double()
    x = torch.rand(3, 1, 40, 40, dtype=torch.float64)
    a, b = twin._pixels_first(x), twin._images_first(x)
    torch.testing.assert_close(a, b)
    assert a.shape == (3, 6, 2, 2)
    arrived = torch.randn_like(a)
    weights = [w for layer in twin.layers[:-1] for w in layer.parameters()]
    of_a, of_b = (torch.autograd.grad(y, weights, arrived) for y in (a, b))
    torch.testing.assert_close(of_a, of_b)


def test_the_papers_network_and_its_start() -> None:
    s = CELLS["one-shot"].variant("convolutional-150k-affine").method
    generator = torch.Generator().manual_seed(0)
    twin = Twin((1, 105, 105), s.filters, s.kernels, s.units, generator)
    # Figure 4: 6 x 6 x 256 numbers come out of the last convolution.
    assert [tuple(w.shape) for n, w in twin.named_parameters() if n.endswith("weight")] == [
        (64, 1, 10, 10),
        (128, 64, 7, 7),
        (128, 128, 4, 4),
        (256, 128, 4, 4),
        (4096, 6 * 6 * 256),
    ]
    for i, layer in enumerate(twin.layers):
        weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
        sd = 0.2 if i == 4 else 0.01
        assert weight.flatten()[:5000].std().item() == pytest.approx(sd, rel=0.1)
        assert bias.mean().item() == pytest.approx(0.5, abs=0.01)
        assert bias.std().item() == pytest.approx(0.01, rel=0.4)


def test_rates_fall_and_momenta_rise_with_the_epoch() -> None:
    method, _ = build(variant(tasks__train_pairs=80, method__momentum_epochs=4))
    rates, momenta = method.schedule(9, 8)
    assert (rates, momenta) == ([0.01] * 6, [0.5] * 6)
    rates, momenta = method.schedule(10, 8)
    assert rates == [0.0099] * 6
    assert momenta == pytest.approx([0.6] * 6)
    rates, momenta = method.schedule(1000, 8)
    assert rates == pytest.approx([0.01 * 0.99**100] * 6)
    assert momenta == pytest.approx([0.9] * 6)
    distorted, _ = build(variant(name="affine", tasks__train_pairs=80, tasks__train_distortions=2))
    assert distorted.schedule(29, 8)[0] == [0.01] * 6, "an epoch has the distorted copies too"
    assert distorted.schedule(30, 8)[0] == [0.0099] * 6


def test_the_threshold_is_the_best_there_is() -> None:
    generator = torch.Generator().manual_seed(0)

    def balanced(threshold: float, scores: Tensor, same: Tensor) -> float:
        right = (scores >= threshold) == same
        return float(right[same].double().mean() + right[~same].double().mean())

    for case in range(20):
        same = torch.rand(40, generator=generator) < 0.2
        same[:2] = torch.tensor([True, False])
        scores = (torch.randn(40, generator=generator) + same).mul(2 + case).round()  # with ties
        best = balanced(float(best_threshold(scores, same)), scores, same)
        tried = [-math.inf, math.inf, *(scores + 0.5).tolist()]
        assert best == pytest.approx(max(balanced(t, scores, same) for t in tried))


def test_a_run_is_its_pairs_and_the_largest_evidence_wins() -> None:
    method, tasks = build(variant())
    runs = tasks.batch("val", 0, 2)
    assert isinstance(runs, SupervisedBatch)
    scores = method.evaluate(runs)
    assert tuple(scores) == method.metrics(method.settings)
    for t in range(2):
        # All 400 pairs of query and support, as pairs.
        query = runs.query_x[t].repeat_interleave(20, 0)
        support = runs.support_x[t].repeat(20, 1, 1, 1)
        same = (runs.query_y[t][:, None] == runs.support_y[t]).flatten()
        logits = method.evidence(*(method.model["twin"](x) for x in (query, support)))
        named = logits.view(20, 20).argmax(1)
        right = 100 * (named == runs.query_y[t]).double().mean()
        assert float(scores["accuracy"][t]) == pytest.approx(float(right))
        loss = method.evaluate(PairBatch(query, support, same))["loss"].mean()
        torch.testing.assert_close(scores["loss"][t], loss)


def test_the_threshold_is_chosen_on_validation_and_kept_with_the_weights() -> None:
    method, tasks = build(variant())
    batch = pairs(tasks, count=40)
    assert method.threshold == 0
    runs = tasks.batch("val", 0, 4)
    assert isinstance(runs, SupervisedBatch)
    method.finalise(runs)
    assert method.threshold != 0
    other, _ = build(variant(), seed=1)
    other.load_weights(method.weights())
    for name, values in method.evaluate(batch).items():
        assert torch.equal(values, other.evaluate(batch)[name])
    half, _ = build(variant(method__test_threshold="half"))
    half.finalise(runs)
    assert half.threshold == 0


def see(method: Siamese) -> None:
    """Widen the start, which is the paper's for a wide network: a narrow one is blind with it."""
    with torch.no_grad():
        for layer in method.layers[:4]:
            layer.get_parameter("weight").mul_(20)


def test_pairs_are_called_the_same_from_the_threshold_on() -> None:
    method, tasks = build(variant())
    see(method)
    batch = pairs(tasks, count=20)
    with torch.no_grad():
        both = method.model["twin"](torch.cat([batch.first, batch.second]))
        evidence = method.evidence(*both.chunk(2))
    assert len(evidence.unique()) == 20
    for place in (5, 15):  # on the evidence of a pair, which then is called the same, like others
        method.threshold = evidence.sort().values[place]
        called = [score >= float(method.threshold) for score in evidence.tolist()]
        assert sum(called) == 20 - place
        wanted = [100.0 * (c == s) for c, s in zip(called, batch.same.tolist(), strict=True)]
        assert method.evaluate(batch)["accuracy"].tolist() == wanted


@pytest.mark.parametrize("switch", switch_names(Siamese.Settings))
def test_each_switch_is_seen_where_it_works(switch: str) -> None:
    # Rates that do something in three steps, each an epoch.
    base = {"method__learning_rates": [0.1] * 6, "tasks__train_pairs": 8}
    _, tasks = build(variant(**base))
    runs = tasks.batch("val", 0, 2)

    def make(**changed: Any) -> Siamese:
        method, _ = build(variant(**base | {f"method__{k}": v for k, v in changed.items()}))
        see(method)
        method.finalise(runs)  # type: ignore[arg-type]
        return method

    steps, test = [pairs(tasks, 8 * i) for i in range(3)], pairs(tasks, 80, 40)
    assert_seen(SEEN, Siamese.Settings, switch, make, steps, test)


def test_training_goes_down_on_one_batch() -> None:
    method, tasks = build(variant(method__learning_rates=[0.1] * 6))
    see(method)
    batch = pairs(tasks)
    losses = [float(method.train_step(batch, i)) for i in range(60)]
    assert losses[-1] < 0.8 * losses[0]


def test_stopped_and_resumed_it_takes_the_same_steps() -> None:
    (straight, tasks), (other, _) = build(variant(name="affine")), build(variant(), seed=1)
    straight.train_step(pairs(tasks), 0)
    other.load_weights(straight.weights())
    other.load_training_state(copy.deepcopy(straight.training_state()))
    for i in (1, 2):
        batch = pairs(tasks, 8 * i)
        assert torch.equal(straight.train_step(batch, i), other.train_step(batch, i))
    for name, w in straight.weights().items():
        assert torch.equal(w, other.weights()[name])


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_the_nearest_in_pixels_is_found(distance: str) -> None:
    v = variant("one-shot", "nearest-pixels", method__distance=distance)
    tasks = ImagePairs(v.tasks, 0, 1, CPU)
    method = NearestPixels(v.method, tasks, CPU, "", torch.Generator())
    runs = tasks.batch("val", 0, 3)
    assert isinstance(runs, SupervisedBatch)
    percentages = method.evaluate(runs)["accuracy"]
    for t in range(3):
        right = 0
        for image, y in zip(runs.query_x[t].flatten(1), runs.query_y[t], strict=True):
            support = runs.support_x[t].flatten(1)
            far = (support - image).square().sum(1)
            if distance == "cosine":
                far = -F.cosine_similarity(support, image[None])
            right += int(far.argmin() == y)
        assert float(percentages[t]) == pytest.approx(5.0 * right)


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("verification-30k", "affine"),
        ("one-shot", "convolutional-30k"),
        ("one-shot", "nearest-pixels"),
    ],
)
def test_a_small_run_ends_on_record(cell: str, name: str, tmp_path: Path) -> None:
    v = variant(cell, name)
    plan = Plan(Setup.at("smoke", v), v, tmp_path / "results", tmp_path / "work")
    record = read_record(run(plan) / "record.json")
    assert record.status == "finished"
    assert record.metrics["accuracy"].n == 2
    assert record.synthetic


def test_verification_and_one_shot_share_their_training() -> None:
    one, other = (
        Setup.at("smoke", v) for v in (variant(), variant("one-shot", "convolutional-30k"))
    )
    assert one.training_digest() == other.training_digest()


def test_switches_that_do_not_fit_are_refused() -> None:
    with pytest.raises(HarnessError, match=r"method.momenta: found 2 numbers, 4 filters"):
        build(variant(method__momenta=[0.9, 0.9]))
    with pytest.raises(HarnessError, match=r"tasks.image_size: found 16, too small"):
        build(variant(tasks__image_size=16))


def test_schedules_are_200_epochs_and_rates_lie_where_the_paper_searched() -> None:
    for cell in CELLS.values():
        for name in cell.variants:
            v = cell.variant(name)
            if name.startswith("nearest"):
                continue
            epoch = v.tasks.train_pairs * (1 + v.tasks.train_distortions) / v.training.meta_batch
            assert v.training.validate_every == round(epoch)
            assert v.training.iterations == 200 * v.training.validate_every
            assert all(1e-4 <= rate <= 0.1 for rate in v.method.learning_rates)
            assert all(0 <= momentum <= 1 for momentum in v.method.momenta)
            assert all(0 <= penalty <= 0.1 for penalty in v.method.l2_penalties)


def test_published_lines_answer_to_the_right_variants() -> None:
    values = {
        (cell.name, name): [line.value for line in cell.published if name in line.variants]
        for cell in CELLS.values()
        for name in cell.variants
    }
    sizes = ("30k", "90k", "150k")
    assert [values[f"verification-{n}", "plain"] for n in sizes] == [[90.61], [91.54], [91.63]]
    assert [values[f"verification-{n}", "affine"] for n in sizes] == [[91.9], [93.15], [93.42]]
    assert values["one-shot", "convolutional-150k-affine"] == [92.0]
    assert values["one-shot", "nearest-pixels"] == [21.7]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_gives_the_same_vectors() -> None:
    method, tasks = build(variant())
    x = pairs(tasks).first
    a = method.model["twin"](x)
    b = method.model["twin"].to("cuda")(x.to("cuda"))
    torch.testing.assert_close(b.cpu(), a, rtol=1e-3, atol=1e-4)
