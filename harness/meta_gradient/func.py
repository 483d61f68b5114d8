"""Engine `func`: all tasks at once with `torch.func.vmap` over the per-task gradient."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.func import grad, grad_and_value, vmap

from harness.meta_gradient.problem import InnerLoop, MetaGradient, Params, Problem, split
from harness.tasks.batch import SupervisedBatch


def meta_gradient(
    problem: Problem, params: Params, batch: SupervisedBatch, inner: InnerLoop
) -> MetaGradient:
    """Adapt all tasks together, then differentiate their mean query loss."""
    if inner.first_order:
        return _first_order(problem, params, batch, inner)
    start = {k: v.detach().requires_grad_() for k, v in params.items()}
    adapting, fixed = split(start, inner)
    adapted, dims = _adapted(problem, adapting, fixed, batch, inner)
    losses = vmap(lambda p, x, y: problem.on_query(p | fixed, x, y), in_dims=(dims, 0, 0))(
        adapted, batch.query_x, batch.query_y
    )
    loss = losses.mean()
    found = torch.autograd.grad(loss, list(start.values()))
    return MetaGradient(loss.detach(), dict(zip(start, found, strict=True)))


@torch.no_grad()
def _first_order(
    problem: Problem, params: Params, batch: SupervisedBatch, inner: InnerLoop
) -> MetaGradient:
    adapting, fixed = split(params, inner)
    adapted, dims = _adapted(problem, adapting, fixed, batch, inner)
    # The inner gradients are constants, so the meta-gradient is the gradient where the tasks ended.
    found, losses = vmap(
        grad_and_value(lambda p, f, x, y: problem.on_query(p | f, x, y), argnums=(0, 1)),
        in_dims=(dims, None, 0, 0),
    )(adapted, fixed, batch.query_x, batch.query_y)
    merged = found[0] | found[1]
    return MetaGradient(losses.mean(), {k: merged[k].mean(0) for k in params})


def _adapted(
    problem: Problem, adapting: Params, fixed: Params, batch: SupervisedBatch, inner: InnerLoop
) -> tuple[Params, int | None]:
    """Give the parameters after the last step, and the axis of the tasks in them, if any."""
    last, axis = adapting, None
    for current in adapt(problem, adapting, fixed, batch.support_x, batch.support_y, inner):
        last, axis = current, 0
    return last, axis


def adapt(
    problem: Problem,
    adapting: Params,
    fixed: Params,
    support_x: Tensor,
    support_y: Tensor,
    inner: InnerLoop,
) -> Iterator[Params]:
    """Give the parameters of all T tasks after step 1, 2, …, `inner.steps`.

    `adapting` are the shared start values (no task axis); what is given has a leading axis T. Runs
    under the caller's grad mode: with grad on, the result can be differentiated.
    """
    gradient = grad(lambda p, f, x, y: problem.on_support(p | f, x, y))
    current, dims = adapting, None
    for _ in range(inner.steps):
        found = vmap(gradient, in_dims=(dims, None, 0, 0))(current, fixed, support_x, support_y)
        current = {k: v - inner.rate * found[k] for k, v in current.items()}
        dims = 0
        yield current
