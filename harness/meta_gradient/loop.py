"""Engine `loop`: plain `torch.autograd.grad`, task after task. The shortest honest MAML."""

from __future__ import annotations

import torch

from harness.meta_gradient.problem import (
    InnerLoop,
    MetaGradient,
    Params,
    Problem,
    check_rates,
    on_query,
    on_support,
    split,
)
from harness.tasks.batch import SupervisedBatch


def meta_gradient(
    problem: Problem,
    params: Params,
    batch: SupervisedBatch,
    inner: InnerLoop,
    rates: Params | None = None,
) -> MetaGradient:
    """Differentiate through the unrolled inner loop of each task and average."""
    batch = problem.prepared(batch)
    start = {k: v.detach().requires_grad_() for k, v in params.items()}
    learned = {k: v.detach().requires_grad_() for k, v in check_rates(params, inner, rates).items()}
    wanted = [*start.values(), *learned.values()]
    total = torch.zeros((), dtype=batch.query_x.dtype, device=batch.query_x.device)
    sums = [torch.zeros_like(v) for v in wanted]
    weights = inner.loss_weights()
    for i in range(len(batch)):
        adapted, fixed = split(start, inner)
        losses = []
        for step in range(inner.steps + 1):
            if weights[step]:
                seen = adapted | on_query(fixed, inner, step)
                loss = problem.on_query(seen, batch.query_x[i], batch.query_y[i])
                losses.append(weights[step] * loss)
            if step < inner.steps:
                adapted = _step(problem, adapted, fixed, batch, i, inner, learned, step)
        loss = torch.stack(losses).sum()
        task_gradients = torch.autograd.grad(loss, wanted, allow_unused=True)
        for mine, more in zip(sums, task_gradients, strict=True):
            if more is not None:
                mine.add_(more, alpha=1 / len(batch))
        total += loss.detach() / len(batch)
    n = len(start)
    return MetaGradient(
        total,
        dict(zip(start, sums[:n], strict=True)),
        dict(zip(learned, sums[n:], strict=True)),
    )


def _step(
    problem: Problem,
    adapted: Params,
    fixed: Params,
    batch: SupervisedBatch,
    task: int,
    inner: InnerLoop,
    rates: Params,
    step: int,
) -> Params:
    seen = adapted | on_support(fixed, inner, step)
    loss = problem.on_support(seen, batch.support_x[task], batch.support_y[task])
    task_gradients = torch.autograd.grad(
        loss, list(adapted.values()), create_graph=not inner.first_order
    )
    gradients = dict(zip(adapted, task_gradients, strict=True))
    return {
        k: v - (rates[k][step] if k in rates else inner.rate) * gradients[k]
        for k, v in adapted.items()
    }
