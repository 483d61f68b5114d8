"""Meta-SGD: the step and its derivatives by hand, what is learned, resume, and smoke runs."""

from __future__ import annotations

import math

import pytest
import torch

from harness.errors import HarnessError
from harness.meta_gradient.engines import DEFAULT, ENGINES
from harness.paper_tests.resume import same_weights, with_and_without_stop
from harness.paper_tests.smoke_plans import smoke_method, smoke_plan
from harness.records.schema import read_record
from harness.run.loop import run
from harness.tasks.batch import SupervisedBatch

GLYPHS = {"tasks.dataset": "glyphs", "training.meta_batch": 2, "method.hidden": [8] * 4}
TEXTURES = {
    "tasks.dataset": "textures",
    "tasks.image_size": 16,
    "tasks.resize_filter": "none",
    "training.meta_batch": 2,
    "method.hidden": [4] * 4,
}


def build(variant="meta-sgd", engine=DEFAULT, **changed):
    return smoke_method("meta_sgd/sinusoid-5shot", variant, {}, engine, **changed)


@pytest.mark.parametrize(
    ("cell", "variant", "changed"),
    [
        ("sinusoid-5shot", "meta-sgd", {}),
        ("sinusoid-5shot", "maml", {}),
        ("omniglot-5way-1shot", "meta-sgd", GLYPHS),
        ("omniglot-20way-5shot", "meta-sgd", GLYPHS),
        ("mini-imagenet-5way-1shot", "meta-sgd", TEXTURES),
    ],
)
def test_smoke_run_of(tmp_path, cell, variant, changed):
    plan = smoke_plan(tmp_path, f"meta_sgd/{cell}", variant, changed)
    record = read_record(run(plan) / "record.json")
    assert record.status == "finished"
    metric = "mse@1" if cell.startswith("sinusoid") else "accuracy@1"
    assert math.isfinite(record.metrics[metric].mean)


@pytest.mark.parametrize("name", ENGINES)
def test_the_step_and_its_derivatives_by_hand(name):
    """A linear model y = w x + b: θ' = θ - α ∘ g, dL/dα = -L'(θ') ∘ g, dL/dθ = (I - H α) L'(θ')."""
    if name == "higher":
        pytest.importorskip("higher")
    method, _ = build(engine=name, method__hidden=[])
    method.model.double()
    method.params = dict(method.model.named_parameters())
    method.rates = {k: r.double() for k, r in method.rates.items()}
    g = torch.Generator().manual_seed(0)
    sx, qx, sy, qy = (torch.randn(1, 6, 1, generator=g, dtype=torch.float64) for _ in range(4))
    method.optimiser = torch.optim.SGD(method.params.values(), lr=0.0)
    method.train_step(SupervisedBatch(sx, sy, qx, qy), 0)
    names = list(method.params)
    theta = torch.cat([method.params[k].detach().flatten() for k in names])
    alpha = torch.cat([method.rates[k].flatten() for k in names])

    def design(x):
        return torch.cat([x[0], torch.ones_like(x[0])], 1)

    a, b = design(sx), design(qx)
    inner = 2 / 6 * a.T @ (a @ theta - sy[0, :, 0])
    outer = 2 / 6 * b.T @ (b @ (theta - alpha * inner) - qy[0, :, 0])
    hessian = 2 / 6 * a.T @ a
    by_theta = torch.cat([method.params[k].grad.flatten() for k in names])
    by_alpha = torch.cat([method.rates[k].grad.flatten() for k in names])
    torch.testing.assert_close(by_theta, outer - hessian @ (alpha * outer))
    torch.testing.assert_close(by_alpha, -outer * inner)


def test_one_draw_or_one_for_each_entry():
    one, _ = build()
    rates = torch.cat([r.flatten() for r in one.rates.values()])
    assert 0.005 <= rates[0] <= 0.1
    assert torch.equal(rates, rates[0].expand_as(rates))
    each, _ = build(method__rate_draws="each-entry")
    rates = torch.cat([r.flatten() for r in each.rates.values()])
    assert 0.005 <= rates.min() < 0.01
    assert 0.095 < rates.max() <= 0.1
    # The network starts alike: rates are drawn after it.
    assert all(torch.equal(p, each.params[k]) for k, p in one.params.items())


def test_start_and_rates_are_learned():
    method, tasks = build()
    before = {k: v.clone() for k, v in method.weights().items()}
    for i in range(2):
        method.train_step(tasks.batch("train", 4 * i, 4), i)
    assert all(not torch.equal(before[k], v) for k, v in method.weights().items())


def test_rates_of_the_maml_variant_stay():
    method, tasks = build("maml")
    method.train_step(tasks.batch("train", 0, 4), 0)
    assert all(torch.equal(r, torch.full_like(r, 0.01)) for r in method.rates.values())


def test_tasks_have_a_frequency_of_their_own():
    """Three points of a * sin(w x + p), equally spaced, give cos(w h) = (y0 + y2) / (2 y1)."""
    _, tasks = build()
    arrays = tasks.draw_block("train", 0)
    points = torch.tensor([0.2, 0.5, 0.8]).expand(len(arrays["frequency"]), 3).numpy()
    y = tasks.to_batch({**arrays, "support": points}).support_y.double()[..., 0]
    clear = y[:, 1].abs() > 0.5
    frequencies = torch.acos(((y[:, 0] + y[:, 2]) / (2 * y[:, 1]))[clear]) / 0.3
    torch.testing.assert_close(
        frequencies, torch.from_numpy(arrays["frequency"])[clear], atol=2e-3, rtol=0
    )
    assert 0.8 <= frequencies.min() < 0.85
    assert 1.15 < frequencies.max() <= 1.2


def test_training_goes_on_bit_for_bit():
    tasks = build()[1]
    batches = [tasks.batch("train", 4 * i, 4) for i in range(4)]
    assert same_weights(*with_and_without_stop(lambda: build()[0], batches, 2))


def test_wrong_switches_are_one_sentence():
    with pytest.raises(HarnessError, match="wanted 'mse' and 'mlp'"):
        build(method__network="max-pool-conv4")
    with pytest.raises(HarnessError, match=r"method.rate_min: found 1.0, wanted at most"):
        build(method__rate_min=1.0)
    with pytest.raises(HarnessError, match=r"task_in_input: found true, wanted false"):
        build(tasks__task_in_input=True)
