"""Engine `loop`: plain `torch.autograd.grad`, task after task. The shortest honest MAML."""

from __future__ import annotations

import torch

from harness.meta_gradient.problem import InnerLoop, MetaGradient, Params, Problem, split
from harness.tasks.batch import SupervisedBatch


def meta_gradient(
    problem: Problem, params: Params, batch: SupervisedBatch, inner: InnerLoop
) -> MetaGradient:
    """Differentiate through the unrolled inner loop of each task and average."""
    start = {k: v.detach().requires_grad_() for k, v in params.items()}
    total = torch.zeros((), dtype=batch.query_x.dtype, device=batch.query_x.device)
    gradients = {k: torch.zeros_like(v) for k, v in start.items()}
    for i in range(len(batch)):
        adapted, fixed = split(start, inner)
        for _ in range(inner.steps):
            loss = problem.on_support(adapted | fixed, batch.support_x[i], batch.support_y[i])
            found = torch.autograd.grad(
                loss, list(adapted.values()), create_graph=not inner.first_order
            )
            adapted = {
                k: v - inner.rate * g for (k, v), g in zip(adapted.items(), found, strict=True)
            }
        loss = problem.on_query(adapted | fixed, batch.query_x[i], batch.query_y[i])
        found = torch.autograd.grad(loss, list(start.values()))
        for g, more in zip(gradients.values(), found, strict=True):
            g.add_(more, alpha=1 / len(batch))
        total += loss.detach() / len(batch)
    return MetaGradient(total, gradients)
