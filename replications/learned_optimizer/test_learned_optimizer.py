from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from harness.catalog import find_cell
from harness.errors import HarnessError
from replications.learned_optimizer.method import LearnedOptimizer, LearnedSettings
from replications.learned_optimizer.tasks import QuadraticBatch, Quadratics, QuadraticSettings
from replications.learned_optimizer.tuned import TunedOptimizer, TunedSettings

CPU = torch.device("cpu")
LEARNED = LearnedSettings(
    units=(5, 4),
    steps=12,
    unroll=4,
    gradient_divisor=1,
    learning_rate=1e-2,
    schedule="cosine",
    schedule_iterations=30,
    report_every=3,
)


def quadratics() -> Quadratics:
    return Quadratics(QuadraticSettings(3, "uniform", 0.01), 1, 2, CPU)


def learned(seed: int = 0, dtype: torch.dtype = torch.float32, **changes: Any) -> LearnedOptimizer:
    settings = dataclasses.replace(LEARNED, **changes)
    generator = torch.Generator().manual_seed(seed)
    method = LearnedOptimizer(settings, quadratics(), CPU, "loop", generator)
    method._place(dtype=dtype)
    return method


def double(batch: QuadraticBatch) -> QuadraticBatch:
    return QuadraticBatch(batch.matrix.double(), batch.target.double(), batch.start.double())


def plain_unroll(
    weights: dict[str, Tensor],
    units: tuple[int, ...],
    batch: QuadraticBatch,
    x: Tensor,
    state: list[tuple[Tensor, Tensor]],
    steps: int,
    divisor: int,
    inputs: list[Tensor] | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """The meta-loss by the textbook, for autograd; `inputs` fixes what the LSTM reads."""
    loss, seen = x.new_zeros(()), []
    ones = x.new_ones(1, x.numel())
    for t in range(steps + 1):
        residual = torch.einsum("tij,tj->ti", batch.matrix, x) - batch.target
        loss = loss + residual.square().sum(1).mean()
        if t == steps:
            break
        if inputs is None:
            # .detach(): the paper's "gradients of the optimizee do not depend on phi".
            g = 2 * torch.einsum("tij,ti->tj", batch.matrix, residual).detach() / divisor
        else:
            g = inputs[t]
        seen.append(g)
        layer_input, new_state = g.reshape(1, -1), []
        for i, n in enumerate(units):
            h, c = state[i]
            z = weights[f"lstm_{i + 1}"] @ torch.cat([ones, layer_input, h])
            i_gate, f_gate, o_gate = z[: 3 * n].sigmoid().split(n)
            c = f_gate * c + i_gate * z[3 * n :].tanh()
            layer_input = o_gate * c.tanh()
            new_state.append((layer_input, c))
        state = new_state
        x = x + (weights["linear"] @ torch.cat([ones, layer_input])).view_as(x)
    return loss, seen


@pytest.mark.parametrize("divisor", [1, 7])
@pytest.mark.parametrize("carried", [False, True])
def test_meta_gradient_is_that_of_autograd_and_of_finite_differences(
    divisor: int, carried: bool
) -> None:
    method = learned(dtype=torch.float64, gradient_divisor=divisor)
    batch = double(quadratics().batch("train", 0, 6))
    x, state = batch.start, method.network.zero_state(18)
    if carried:
        x = x + 0.3
        generator = torch.Generator().manual_seed(3)
        state = [
            tuple(torch.randn(n, 18, generator=generator, dtype=x.dtype) * 0.5 for _ in range(2))  # type: ignore[misc]
            for n in (5, 4)
        ]
    loss, gradients, _, _ = method.meta_gradient(batch, x, state)
    weights = {k: w.clone().requires_grad_() for k, w in method.network.weights.items()}
    expected_loss, inputs = plain_unroll(weights, (5, 4), batch, x, state, 4, divisor)
    expected = torch.autograd.grad(expected_loss, list(weights.values()))
    torch.testing.assert_close(loss, expected_loss.detach(), rtol=1e-12, atol=0)
    for f, e in zip(gradients, expected, strict=True):
        assert (f - e).norm() <= 1e-11 * e.norm()

    # With the LSTM's inputs held fixed, the meta-loss is the function whose gradient this is.
    generator = torch.Generator().manual_seed(4)
    along = {
        k: torch.randn(w.shape, generator=generator, dtype=w.dtype) for k, w in weights.items()
    }

    def at(eps: float) -> Tensor:
        moved = {k: w.detach() + eps * along[k] for k, w in weights.items()}
        return plain_unroll(moved, (5, 4), batch, x, state, 4, divisor, inputs)[0]

    slope = (at(1e-5) - at(-1e-5)) / 2e-5
    analytic = sum((f * a).sum() for f, a in zip(gradients, along.values(), strict=True))
    torch.testing.assert_close(slope, torch.as_tensor(analytic), rtol=1e-7, atol=0)


@pytest.mark.parametrize("divisor", [1, 7])
def test_steps_and_carried_state_are_those_of_one_long_plain_unroll(divisor: int) -> None:
    method = learned(dtype=torch.float64, gradient_divisor=divisor)
    batch = double(quadratics().batch("train", 0, 4))
    losses = method.evaluate(batch)
    weights, state = method.network.weights, method.network.zero_state(12)
    whole, _ = plain_unroll(weights, (5, 4), batch, batch.start, state, 12, divisor)
    before, _ = plain_unroll(weights, (5, 4), batch, batch.start, state, 11, divisor)
    torch.testing.assert_close(losses["loss@12"].mean(), whole - before, rtol=1e-10, atol=0)
    x, state = batch.start, method.network.zero_state(12)
    for k in range(1, 4):
        _, _, x, state = method.meta_gradient(batch, x, state)
        torch.testing.assert_close(
            batch.losses_and_gradients(x)[0], losses_after(method, batch, 4 * k)
        )


def losses_after(method: LearnedOptimizer, batch: QuadraticBatch, steps: int) -> Tensor:
    divisor = method.settings.gradient_divisor
    shorter = learned(
        dtype=torch.float64, steps=steps, report_every=steps, gradient_divisor=divisor
    )
    shorter.load_weights(method.weights())
    return shorter.evaluate(batch)[f"loss@{steps}"]


def test_training_carries_x_and_state_within_an_epoch_and_starts_anew_after_it() -> None:
    method = learned(dtype=torch.float64, learning_rate=0.0)  # so that the weights stay
    batch = double(quadratics().batch("train", 0, 4))
    for i in range(4):
        method.train_step(batch, i)
        steps = 4 * (i % 3 + 1)
        torch.testing.assert_close(
            batch.losses_and_gradients(method.x)[0], losses_after(method, batch, steps)
        )


@pytest.mark.parametrize(("schedule", "end"), [("constant", 2), ("cosine", 2), ("cosine", 5)])
def test_adams_rate_is_that_of_the_schedule(schedule: Any, end: int) -> None:
    method = learned(schedule=schedule, schedule_iterations=end)
    batch = quadratics().batch("train", 0, 4)
    for i in range(7):
        before = method.weights()
        method.train_step(batch, i)
        (group,) = method.adam.param_groups
        factor = (1 + math.cos(math.pi * min(i / end, 1))) / 2 if schedule == "cosine" else 1.0
        assert group["lr"] == pytest.approx(1e-2 * factor)
        moved = any(not torch.equal(w, before[name]) for name, w in method.weights().items())
        assert moved == (group["lr"] > 0), "the rate is that of this step"


def test_zero_output_weights_leave_x_where_it_is() -> None:
    method = learned()
    method.network.weights["linear"].zero_()
    losses = method.evaluate(quadratics().batch("val", 0, 8))
    assert all(torch.equal(v, losses["loss@0"]) for v in losses.values())


def test_scores_do_not_depend_on_the_tasks_beside() -> None:
    method = learned(gradient_divisor=128)
    together = method.evaluate(quadratics().batch("val", 0, 6))["loss@12"]
    alone = method.evaluate(quadratics().batch("val", 4, 1))["loss@12"]
    torch.testing.assert_close(together[4:5], alone, rtol=1e-5, atol=0)


def test_training_lowers_the_loss_and_resumes_bit_for_bit() -> None:
    tasks = quadratics()
    straight, first = learned(), learned()
    validation = tasks.batch("val", 0, 64)
    before = straight.evaluate(validation)["loss@12"].mean()
    for i in range(40):
        straight.train_step(tasks.batch("train", straight.first_task(i, 16), 16), i)
    assert straight.evaluate(validation)["loss@12"].mean() < 0.8 * before
    for i in range(20):  # stops within an epoch of 3 iterations
        first.train_step(tasks.batch("train", first.first_task(i, 16), 16), i)
    second = learned(seed=9)
    second.load_weights(first.weights())
    second.load_training_state(first.training_state())
    for i in range(20, 40):
        second.train_step(tasks.batch("train", second.first_task(i, 16), 16), i)
    for name, w in straight.weights().items():
        assert torch.equal(w, second.weights()[name]), name


def test_every_product_is_counted() -> None:
    method = learned()
    with FlopCounterMode(display=False) as counter:
        method.train_step(quadratics().batch("train", 0, 2), 0)
    rows, unroll = 6, 4
    matrices = sum(w.numel() for w in method.weights().values())
    # Forward, backward to the inputs, backward to the weights; W x and W^T r at unroll + 1 points.
    expected = 2 * rows * matrices * 3 * unroll + 2 * 2 * (2 * 9) * (unroll + 1)
    assert counter.get_total_flops() == expected


def test_unroll_must_divide_the_steps() -> None:
    with pytest.raises(HarnessError, match=r"unroll: found 5; wanted a divisor of 12"):
        learned(unroll=5)


def tuned(kind: Any, rates: tuple[float, ...], steps: int) -> TunedOptimizer:
    settings = TunedSettings(optimizer=kind, learning_rates=rates, steps=steps, report_every=1)
    return TunedOptimizer(settings, quadratics(), CPU, "loop", torch.Generator())


def test_one_step_of_sgd_in_closed_form() -> None:
    batch = double(quadratics().batch("train", 0, 5))
    w, y, x = batch.matrix, batch.target[..., None], batch.start[..., None]
    moved = x - 0.03 * 2 * w.mT @ (w @ x - y)
    expected = (w @ moved - y).square().sum((1, 2))
    losses = tuned("sgd", (0.03,), 1).losses(batch, 0.03)["loss@1"]
    torch.testing.assert_close(losses, expected, rtol=1e-12, atol=0)


def test_hand_made_optimizers_in_closed_form() -> None:
    batch = double(quadratics().batch("train", 0, 5))
    rate, steps = 0.02, 6
    for kind in ("nag", "adam", "rmsprop"):
        x = batch.start.clone()
        m, v = torch.zeros_like(x), torch.zeros_like(x)
        for t in range(1, steps + 1):
            g = batch.losses_and_gradients(x)[1]
            if kind == "nag":
                m = 0.9 * m + g
                x = x - rate * (g + 0.9 * m)
            elif kind == "adam":
                m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
                x = x - rate * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
            else:
                v = 0.99 * v + 0.01 * g * g
                x = x - rate * g / (v.sqrt() + 1e-8)
        losses = tuned(kind, (rate,), steps).losses(batch, rate)[f"loss@{steps}"]
        torch.testing.assert_close(losses, batch.losses_and_gradients(x)[0], rtol=1e-9, atol=0)


def test_many_problems_at_once_are_as_torch_optim_on_each() -> None:
    batch = quadratics().batch("train", 0, 3)
    losses = tuned("adam", (0.1,), 5).losses(batch, 0.1)["loss@5"]
    for i in range(3):
        x = batch.start[i].clone().requires_grad_()
        optimizer = torch.optim.Adam([x], lr=0.1)
        for _ in range(5):
            optimizer.zero_grad()
            (batch.matrix[i] @ x - batch.target[i]).square().sum().backward()
            optimizer.step()
        expected = (batch.matrix[i] @ x - batch.target[i]).square().sum().detach()
        torch.testing.assert_close(losses[i], expected, rtol=1e-4, atol=0)


def test_the_last_step_must_be_reported() -> None:
    settings = TunedSettings("sgd", (1e-3,), steps=7, report_every=5)
    with pytest.raises(HarnessError, match=r"report_every: found 5, wanted a divisor of 7, method"):
        TunedOptimizer(settings, quadratics(), CPU, "loop", torch.Generator())


def test_search_takes_the_best_rate_and_survives_divergence() -> None:
    tasks = quadratics()
    method = tuned("sgd", (1e-3, 0.05, 1e3), 40)
    assert method.first_task(2, 32) == 0
    batch = tasks.batch("train", 0, 32)
    for i in range(2):
        method.train_step(batch, i)
    second = tuned("sgd", (1e-3, 0.05, 1e3), 40)
    second.load_weights(method.weights())
    second.load_training_state(method.training_state())
    loss = second.train_step(batch, 2)
    assert torch.isfinite(loss)
    assert float(second.best_rate) == 0.05
    assert loss == method.losses(batch, 0.05)["loss@40"].mean().double()
    with pytest.raises(HarnessError, match=r"wanted 3, the number of method\.learning_rates"):
        second.train_step(batch, 3)


@pytest.mark.parametrize("cell", ["quadratics-uniform", "quadratics-gaussian"])
def test_every_variant_reads_and_names_its_metrics(cell: str) -> None:
    chosen = find_cell(f"learned_optimizer/{cell}")
    for name in chosen.variants:
        variant = chosen.variant(name)
        method = {"lstm": LearnedOptimizer, "tuned": TunedOptimizer}[variant.algorithm]
        metrics = method.metrics(variant.method)
        assert metrics[0] == "loss@0"
        assert metrics[-1] == variant.training.validation_metric == "loss@100"
        for line in chosen.published:
            assert line.metric in metrics
        if variant.algorithm == "tuned":
            assert variant.training.iterations == len(variant.method.learning_rates)


def test_smoke_at_the_published_size() -> None:
    variant = find_cell("learned_optimizer/quadratics-uniform").variant("lstm")
    tasks = Quadratics(variant.tasks, 1, 2, CPU)
    method = LearnedOptimizer(variant.method, tasks, CPU, "loop", torch.Generator().manual_seed(0))
    assert [method.first_task(i, 128) for i in (0, 4, 5)] == [0, 0, 128]
    for i in range(2):
        loss = method.train_step(tasks.batch("train", 0, 128), i)
        assert torch.isfinite(loss)
    scores = method.evaluate(tasks.batch("val", 0, 3))
    assert tuple(scores) == method.metrics(variant.method)
    assert all(v.shape == (3,) for v in scores.values())
