"""Engine `func`: all tasks at once with `torch.func.vmap` over the per-task gradient."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.func import grad, vmap

from harness.meta_gradient.prepared import prepare
from harness.meta_gradient.problem import (
    InnerLoop,
    MetaGradient,
    Params,
    Problem,
    on_query,
    on_support,
)
from harness.models.over_tasks import over_tasks
from harness.tasks.batch import SupervisedBatch


def meta_gradient(
    problem: Problem,
    params: Params,
    batch: SupervisedBatch,
    inner: InnerLoop,
    rates: Params | None = None,
) -> MetaGradient:
    """Adapt all tasks together, then differentiate their mean query loss."""
    ready = prepare(problem, params, batch, inner, rates)
    (adapting, fixed), weights, batch = ready.parted(), inner.loss_weights(), ready.batch
    # In first order the inner gradients are constants, but the start and the rates are not.
    steps = adapt(problem, adapting, fixed, batch.support_x, batch.support_y, inner, ready.learned)
    states = [(adapting, None), *((s, 0) for s in steps)]
    losses = []
    for k, (weight, (current, axis)) in enumerate(zip(weights, states, strict=True)):
        if weight:
            each = vmap(
                lambda p, f, x, y: problem.on_query(p | f, x, y), in_dims=(axis, None, 0, 0)
            )(current, on_query(fixed, inner, k), batch.query_x, batch.query_y)
            losses.append(weight * each.mean())
    loss = torch.stack(losses).sum()
    gradients = torch.autograd.grad(loss, ready.wanted, allow_unused=True, materialize_grads=True)
    return ready.result(loss, gradients)


def adapt(
    problem: Problem,
    adapting: Params,
    fixed: Params,
    support_x: Tensor,
    support_y: Tensor,
    inner: InnerLoop,
    rates: Params | None = None,
) -> Iterator[Params]:
    """Yield the parameters of all T tasks after step 1, 2, …, `inner.steps`.

    `adapting` are the shared start values (no task axis); what is given has a leading axis T. Runs
    under the caller's grad mode: with grad on, the result can be differentiated (in first order
    with the inner gradients held constant).
    """
    learned = rates or {}
    gradient = grad(lambda p, f, x, y: problem.on_support(p | f, x, y))
    current, dims = adapting, None
    for step in range(inner.steps):
        with torch.set_grad_enabled(torch.is_grad_enabled() and not inner.first_order):
            seen = on_support(fixed, inner, step)
            each = over_tasks(gradient, support_x, (dims, None, 0, 0))
            gradients = each(current, seen, support_x, support_y)
        current = {
            k: v - (learned[k][step] if k in learned else inner.rate) * gradients[k]
            for k, v in current.items()
        }
        dims = 0
        yield current
