"""The adapted query loss by no engine's code, and finite differences of it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from harness.meta_gradient.problem import InnerLoop, MetaGradient, Params, Problem
from harness.tasks.batch import SupervisedBatch
from tests.meta_gradient.problems import start

Gradients = list[list[Params]]
"""Of the support loss: by task, then by step."""


def adapted_loss(
    problem: Problem,
    batch: SupervisedBatch,
    inner: InnerLoop,
    params: Params,
    rates: Params,
    held: Gradients | None = None,
) -> tuple[Tensor, Gradients]:
    """The mean query loss after adaptation, and the inner gradients that were taken.

    With `held` those are taken instead of the true ones: then the derivative is the first-order
    one, by its definition.
    """
    weights = inner.query_weights or (*[0.0] * inner.steps, 1.0)
    total, taken = torch.zeros((), dtype=torch.float64), []
    for i in range(len(batch)):
        current, of_task = params, []
        for step in range(inner.steps + 1):
            total = total + weights[step] * _query_loss(problem, batch, current, i) / len(batch)
            if step < inner.steps:
                g = held[i][step] if held else _support_gradient(problem, batch, current, i)
                current = {
                    k: v - (0.0 if k in inner.frozen else _rate(inner, rates, k, step)) * g[k]
                    for k, v in current.items()
                }
                of_task.append(g)
        taken.append(of_task)
    return total, taken


def _rate(inner: InnerLoop, rates: Params, name: str, step: int) -> Tensor | float:
    return rates[name][step] if name in rates else inner.rate


def _support_gradient(problem: Problem, batch: SupervisedBatch, params: Params, i: int) -> Params:
    leaves = {k: v.detach().requires_grad_() for k, v in params.items()}
    outputs = torch.func.functional_call(problem.model, leaves, (batch.support_x[i],))
    loss = problem.support_loss(outputs, batch.support_y[i])
    return dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))


def _query_loss(problem: Problem, batch: SupervisedBatch, params: Params, i: int) -> Tensor:
    x, y = batch.query_x[i], batch.query_y[i]
    if problem.query_statistics == "support-and-query":
        x = torch.cat([batch.support_x[i], x])
    outputs = torch.func.functional_call(problem.model, params, (x,)).detach()
    return problem.query_loss(outputs[len(x) - len(y) :], y)


def difference_error(
    problem: Problem,
    batch: SupervisedBatch,
    inner: InnerLoop,
    meta_gradient: MetaGradient,
    rates: Params | None = None,
) -> float:
    """Largest relative error of directional derivatives, along weights and rates together.

    In first order against differences at constant inner gradients.
    """
    variables = [start(problem), rates or {}]
    held = adapted_loss(problem, batch, inner, *variables)[1] if inner.first_order else None

    def loss(moved: list[Params]) -> Tensor:
        return adapted_loss(problem, batch, inner, *moved, held)[0]

    return _worst(loss, variables, [meta_gradient.gradients, meta_gradient.rate_gradients])


def _worst(
    loss: Callable[[list[Params]], Tensor], variables: list[Params], claimed: list[Params]
) -> float:
    generator = torch.Generator().manual_seed(1)
    # Small: an inner gradient jumps where a ReLU switches, and then the adapted loss does too.
    h = 2e-8
    worst = 0.0
    for _ in range(3):
        ways = [
            {k: torch.randn(v.shape, generator=generator, dtype=v.dtype) for k, v in group.items()}
            for group in variables
        ]
        said = sum((g[k] * w[k]).sum() for g, w in zip(claimed, ways, strict=True) for k in w)
        ahead, behind = (
            loss(
                [
                    {k: v + by * w[k] for k, v in group.items()}
                    for group, w in zip(variables, ways, strict=True)
                ]
            )
            for by in (h, -h)
        )
        error = float(((ahead - behind) / (2 * h) - said).abs() / abs(said))
        worst = max(worst, error if error == error else float("inf"))
    return worst
