"""Engine `loop`: plain `torch.autograd.grad`, task after task. The shortest honest MAML."""

from __future__ import annotations

import torch

from harness.meta_gradient.prepared import Prepared, TaskSums, prepare
from harness.meta_gradient.problem import (
    InnerLoop,
    MetaGradient,
    Params,
    Problem,
    on_query,
    on_support,
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
    ready = prepare(problem, params, batch, inner, rates)
    batch, weights, sums = ready.batch, inner.loss_weights(), TaskSums(ready)
    for i in range(len(batch)):
        adapted, fixed = ready.parted()
        losses = []
        for step in range(inner.steps + 1):
            if weights[step]:
                seen = adapted | on_query(fixed, inner, step)
                loss = problem.on_query(seen, batch.query_x[i], batch.query_y[i])
                losses.append(weights[step] * loss)
            if step < inner.steps:
                adapted = _step(problem, adapted, fixed, ready, i, step)
        loss = torch.stack(losses).sum()
        sums.add(loss, torch.autograd.grad(loss, ready.wanted, allow_unused=True))
    return sums.result()


def _step(
    problem: Problem, adapted: Params, fixed: Params, ready: Prepared, task: int, step: int
) -> Params:
    batch, inner, rates = ready.batch, ready.inner, ready.learned
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
