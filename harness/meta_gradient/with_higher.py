"""Engine `higher`: the reference, by the library `higher` (Grefenstette et al. 2019)."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from harness.errors import HarnessError
from harness.meta_gradient.prepared import TaskSums, prepare
from harness.meta_gradient.problem import (
    InnerLoop,
    MetaGradient,
    Params,
    Problem,
    on_query,
    on_support,
)
from harness.tasks.batch import SupervisedBatch

NEEDS = ("higher",)
"""Packages without which the engine cannot run; `harness cost` then leaves it out unless asked."""


def meta_gradient(
    problem: Problem,
    params: Params,
    batch: SupervisedBatch,
    inner: InnerLoop,
    rates: Params | None = None,
) -> MetaGradient:
    """Let `higher` track the inner optimiser of each task; average the gradients."""
    try:
        import higher
    except ImportError:
        raise HarnessError(
            "engine 'higher' needs the package higher: "
            "run `pip install metalearning-replications[engines]`."
        ) from None
    ready = prepare(problem, params, batch, inner, rates)
    batch, model, learned = ready.batch, problem.model, ready.learned
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name not in inner.per_step:
                parameter.copy_(params[name])
    # The library has one value of a parameter for all steps; these are handed in step by step.
    own = {k: v for k, v in ready.start.items() if k in inner.per_step}
    adapting = {k: v for k, v in model.named_parameters() if k not in inner.frozen}
    order = [n for n, _ in model.named_parameters()]
    sums, weights = TaskSums(ready), inner.loss_weights()
    for i in range(len(batch)):
        # One group per parameter, so that each may have a rate of its own. SGD wants at least one,
        # even if none adapts because there are no steps.
        moved = adapting.values() or model.parameters()
        optimiser = torch.optim.SGD([{"params": [p]} for p in moved], lr=inner.rate)
        with (
            warnings.catch_warnings(),
            higher.innerloop_ctx(model, optimiser, copy_initial_weights=False) as (fast, inner_opt),
        ):
            warnings.simplefilter("ignore")  # higher 0.2.1 predates today's deprecations
            losses = []
            for step in range(inner.steps + 1):
                if weights[step]:
                    seen = _seen(fast, order, on_query(own, inner, step))
                    outputs = fast(batch.query_x[i], params=seen)[-batch.query_y.shape[1] :]
                    losses.append(weights[step] * problem.query_loss(outputs, batch.query_y[i]))
                if step == inner.steps:
                    break
                seen = _seen(fast, order, on_support(own, inner, step))
                outputs = fast(batch.support_x[i], params=seen)
                loss = problem.support_loss(outputs, batch.support_y[i])
                inner_opt.step(
                    loss,
                    override={"lr": [_rate(learned, n, step, inner) for n in adapting]},
                    grad_callback=_constant if inner.first_order else None,
                )
            loss = torch.stack(losses).sum()
            start = dict(zip(order, fast.parameters(time=0), strict=True)) | own
            wanted = [*(start[k] for k in params), *learned.values()]
            sums.add(loss, torch.autograd.grad(loss, wanted, allow_unused=True))
    return sums.result()


def _rate(rates: Params, name: str, step: int, inner: InnerLoop) -> Any:
    return rates[name][step] if name in rates else inner.rate


def _seen(fast: Any, order: list[str], own: Params) -> list[torch.Tensor] | None:
    """Return all parameters with the step's own in their places; None: those that `fast` has."""
    if not own:
        return None
    return [own.get(n, p) for n, p in zip(order, fast.parameters(), strict=True)]


def _constant(gradients: list[torch.Tensor]) -> list[torch.Tensor]:
    return [g.detach() for g in gradients]
