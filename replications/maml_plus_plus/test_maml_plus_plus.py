"""MAML++: annealing and weights by hand, the meta-gradient by autograd, resume, and smoke runs."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.func import functional_call
from torch.nn import functional as F

from harness.meta_gradient.engines import DEFAULT
from harness.paper_tests.resume import same_weights, with_and_without_stop
from harness.paper_tests.smoke_plans import smoke_method, smoke_plan
from harness.records.schema import read_record
from harness.run.loop import run
from replications.maml_plus_plus.method import all_step_weights, step_weights

GLYPHS = {"tasks.dataset": "glyphs", "training.meta_batch": 2, "method.filters": 4}
TEXTURES = {
    "tasks.dataset": "textures",
    "tasks.image_size": 16,
    "tasks.resize_filter": "none",
    "method.filters": 4,
}


def build(variant="maml-plus-plus", engine="func", **changed):
    cell = "maml_plus_plus/omniglot-5way-1shot"
    return smoke_method(cell, variant, GLYPHS, engine, **changed)


@pytest.mark.parametrize(
    ("cell", "variant", "changed"),
    [
        ("omniglot-5way-1shot", "maml-plus-plus", GLYPHS),
        ("omniglot-20way-1shot", "order-annealing", GLYPHS),
        ("omniglot-20way-1shot", "maml", GLYPHS),
        ("mini-imagenet-5way-1shot", "maml-plus-plus", TEXTURES),
        ("omniglot-5way-1shot", "maml-plus-plus-2018-10-21", GLYPHS),
    ],
)
def test_smoke_run_of(tmp_path, cell, variant, changed, capsys):
    plan = smoke_plan(tmp_path, f"maml_plus_plus/{cell}", variant, changed)
    record = read_record(run(plan) / "record.json")
    assert record.status == "finished"
    assert math.isfinite(record.metrics["accuracy@5"].mean)
    # The network has a rule for each of its operations.
    assert "general path" not in capsys.readouterr().err


def test_operations_are_counted_where_every_step_has_as_many():
    def countable(variant):
        method, _ = smoke_method("maml_plus_plus/omniglot-20way-1shot", variant, GLYPHS, "func")
        return method.operations_countable

    assert countable("maml")
    assert not countable("order-annealing")
    assert not countable("multi-step-loss")


def test_weights_of_the_steps_by_hand():
    assert step_weights(5, 0, 10) == pytest.approx((0, 0.2, 0.2, 0.2, 0.2, 0.2))
    assert step_weights(5, 5, 10) == pytest.approx((0, 0.1, 0.1, 0.1, 0.1, 0.6))
    assert step_weights(5, 99, 100) == pytest.approx((0, *[0.006] * 4, 0.976))
    assert step_weights(5, 10, 10) == ()
    assert all(sum(step_weights(3, e, 15)) == pytest.approx(1) for e in range(15))
    assert all_step_weights(5, 99, 15) == pytest.approx((0, *[0.006] * 4, 0.976))


def test_what_is_annealed_changes_at_epochs():
    method, _ = build(method__first_order_epochs=2)
    assert [method.inner_loop(i).first_order for i in (0, 999, 1000)] == [True, True, False]
    assert method.inner_loop(4999).query_weights != method.inner_loop(5000).query_weights == ()
    assert method.learning_rate(0) == method.learning_rate(499) == pytest.approx(1e-3)
    assert method.learning_rate(25000) == pytest.approx((1e-3 + 1e-5) / 2)
    assert method.learning_rate(50000) == pytest.approx(1e-5)


def test_weights_of_steps_before_the_last_stay_or_end():
    for variant, kept in (("2018-10-21", True), ("2018-11-19", False)):
        method, _ = build(f"maml-plus-plus-{variant}", method__multi_step_epochs=2)
        assert bool(method.inner_loop(2 * 500).query_weights) is kept
        assert sum(method.inner_loop(500).query_weights) == pytest.approx(1)


@pytest.mark.parametrize("variant", ["2018-10-21", "2018-11-19"])
def test_the_first_network_is_that_of_its_day(variant):
    """In the authors' order: normalise, convolve, activate, pool; the first block does not
    normalise, and on 21 October it activates before it convolves."""
    net = build(f"maml-plus-plus-{variant}")[0].model
    for p in net.norms.parameters():
        torch.nn.init.normal_(p, generator=torch.Generator().manual_seed(p.numel()))
    images = torch.randn(6, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    x = images
    for i, conv in enumerate(net.convolutions):
        if i:
            x = conv(standardised(x, net.norms[i - 1]))
        elif variant == "2018-10-21":
            x = conv(F.leaky_relu(x))
        else:
            x = F.leaky_relu(conv(x))
        x = F.max_pool2d(F.leaky_relu(x) if i else x, 2)
    x = F.leaky_relu(standardised(x, net.norms[3]))
    torch.testing.assert_close(net(images), net.head(x.flatten(1)))


def standardised(x, norm):
    return F.batch_norm(x, None, None, norm.weight, norm.bias, training=True, eps=1e-5)


def test_a_training_step_is_taken_at_the_annealed_rate():
    method, tasks = build(method__steps=1, training__validation_metric="accuracy@1")
    batch = tasks.batch("train", 0, 2)
    for i, wanted in ((25000, (1e-3 + 1e-5) / 2), (50000, 1e-5)):
        before = method.params["head.weight"].detach().clone()
        method.train_step(batch, i)
        assert method.optimiser.param_groups[0]["lr"] == pytest.approx(wanted)
        # Adam's steps are no longer than its rate here, and the largest come near it.
        moved = (method.params["head.weight"].detach() - before).abs().max().item()
        assert moved == pytest.approx(wanted, rel=0.1)


@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize("engine", [DEFAULT, "higher"])
def test_the_meta_gradient_is_that_of_the_weighted_losses(engine, first_order):
    """In float64, by our engine and by `higher`, against plain autograd over the steps written out:
    step k with batch norm k, then the query loss with the same batch norm."""
    pytest.importorskip("higher")
    changed = {"method__steps": 2, "method__first_order_epochs": int(first_order)}
    changed["training__validation_metric"] = "accuracy@2"
    method, tasks = build(engine=engine, **changed)
    method.model.double()
    g = torch.Generator().manual_seed(1)
    method.params = {
        k: (p.detach().double() + 0.1 * torch.randn(p.shape, generator=g)).requires_grad_()
        for k, p in method.params.items()
    }
    method.rates = {k: v.double() for k, v in method.rates.items()}
    method.optimiser = torch.optim.SGD(method.params.values())
    batch = tasks.batch("train", 0, 2)
    batch = replace(batch, support_x=batch.support_x.double(), query_x=batch.query_x.double())
    rates = {k: v.clone().requires_grad_() for k, v in method.rates.items()}
    start = {k: v.detach().clone().requires_grad_() for k, v in method.params.items()}
    method.train_step(batch, 0)

    def loss(current, step, x, y):
        seen = {k: v[step] if k.startswith("norms.") else v for k, v in current.items()}
        return F.cross_entropy(functional_call(method.model, seen, (x,)), y)

    total = 0.0
    for i in range(2):
        current = dict(start)
        for step in range(2):
            inner = torch.autograd.grad(
                loss(current, step, batch.support_x[i], batch.support_y[i]),
                [current[k] for k in rates],
                create_graph=not first_order,
            )
            for k, gradient in zip(rates, inner, strict=True):
                current[k] = current[k] - rates[k][step] * gradient
            total = total + loss(current, step, batch.query_x[i], batch.query_y[i]) / 2 / 2
    wanted = torch.autograd.grad(total, [*start.values(), *rates.values()])
    gradients = [
        *(p.grad for p in method.params.values()),
        *(r.grad for r in method.rates.values()),
    ]
    for a, b in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-11)


def test_entries_by_the_network_are_cut_and_those_by_rates_are_not():
    least = 1e-4
    cut, tasks = build(method__clip_value=least)
    whole, _ = build()
    batch = tasks.batch("train", 0, 2)
    cut.train_step(batch, 0)
    whole.train_step(batch, 0)
    for name, p in whole.params.items():
        torch.testing.assert_close(cut.params[name].grad, p.grad.clamp(-least, least))
    assert max(float(p.grad.abs().max()) for p in whole.params.values()) > 10 * least
    assert all(torch.equal(cut.rates[k].grad, r.grad) for k, r in whole.rates.items())
    assert max(float(r.grad.abs().max()) for r in whole.rates.values()) > 10 * least


def test_a_query_set_is_scored_with_the_batch_norm_of_the_step_before():
    """Without learning in the inner loop, the scores part by batch norms alone."""
    method, tasks = build(method__inner_rate=1e-12)
    with torch.no_grad():
        for name in method.per_step:
            method.params[name].normal_(generator=torch.Generator().manual_seed(4))
    batch = tasks.batch("val", 0, 50)
    scores = method.evaluate(batch)
    for k in range(6):
        seen = {
            n: p[max(k - 1, 0)] if n in method.per_step else p for n, p in method.params.items()
        }
        outputs = [functional_call(method.model, seen, (x,)) for x in batch.query_x]
        right = torch.stack(outputs).argmax(-1) == batch.query_y
        torch.testing.assert_close(scores[f"accuracy@{k}"], 100 * right.float().mean(1))
    assert not torch.equal(scores["accuracy@1"], scores["accuracy@2"])


def test_rates_are_one_a_layer_and_step_and_are_learned():
    for variant, moves in (("maml-plus-plus", True), ("maml", False)):
        method, tasks = build(variant, DEFAULT)
        assert all(r.numel() == 5 for r in method.rates.values())
        assert not any(name.startswith("norms.") for name in method.rates)
        method.train_step(tasks.batch("train", 0, 2), 0)
        stays = {k for k, r in method.rates.items() if torch.equal(r, torch.full_like(r, 0.1))}
        # A bias before a batch norm has no gradient, and so has its rate.
        inert = {f"convolutions.{i}.bias" for i in range(4)}
        assert stays == (inert if moves else method.rates.keys())


def test_batch_norms_do_not_adapt_but_are_meta_trained():
    method, tasks = build()
    before = {k: v.clone() for k, v in method.weights().items()}
    method.train_step(tasks.batch("train", 0, 2), 0)
    after = method.weights()
    assert len(method.frozen) == 8
    assert all(before[k].shape == (5, 4) for k in method.frozen)
    assert not any(torch.equal(before[k], after[k]) for k in method.frozen)


def test_training_goes_on_bit_for_bit():
    tasks = build(method__epoch=1)[1]
    batches = [tasks.batch("train", 2 * i, 2) for i in range(4)]
    trained = with_and_without_stop(lambda: build(method__epoch=1)[0], batches, 2)
    assert same_weights(*trained)
