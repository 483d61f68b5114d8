"""MAML as written by hand in PyTorch: `functional_call`, `autograd.grad`, a loop over tasks."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call

from harness.meta_gradient.problem import InnerLoop, MetaGradient, Params, Problem
from harness.tasks.batch import SupervisedBatch


def meta_gradient(
    problem: Problem, params: Params, batch: SupervisedBatch, inner: InnerLoop, rates: None = None
) -> MetaGradient:
    """Add up each task's gradient with `backward`, as a training loop would."""
    weights = {k: v.detach().requires_grad_() for k, v in params.items()}
    total = torch.zeros((), dtype=batch.query_x.dtype, device=batch.query_x.device)
    for i in range(len(batch)):
        fast = weights
        for _ in range(inner.steps):
            fast = step(problem, fast, batch, i, inner, create_graph=not inner.first_order)
        outputs = functional_call(problem.model, fast, (batch.query_x[i],))
        loss = problem.query_loss(outputs, batch.query_y[i]) / len(batch)
        loss.backward()
        total += loss.detach()
    gradients = {
        k: v.grad if v.grad is not None else torch.zeros_like(v) for k, v in weights.items()
    }
    return MetaGradient(total, gradients)


def query_outputs(
    problem: Problem, params: Params, batch: SupervisedBatch, inner: InnerLoop
) -> Tensor:
    """Return the query outputs [steps + 1, T, Q, …] after 0, 1, …, steps of fine-tuning."""
    tasks = []
    for i in range(len(batch)):
        fast = {k: v.detach().requires_grad_() for k, v in params.items()}
        outputs = [_predict(problem, fast, batch.query_x[i])]
        for _ in range(inner.steps):
            moved = step(problem, fast, batch, i, inner, create_graph=False)
            fast = {k: v.detach().requires_grad_() for k, v in moved.items()}
            outputs.append(_predict(problem, fast, batch.query_x[i]))
        tasks.append(torch.stack(outputs))
    return torch.stack(tasks, 1)


def step(
    problem: Problem,
    fast: Params,
    batch: SupervisedBatch,
    task: int,
    inner: InnerLoop,
    create_graph: bool,
) -> Params:
    """Take one inner step on the support set of a task."""
    outputs = functional_call(problem.model, fast, (batch.support_x[task],))
    loss = problem.support_loss(outputs, batch.support_y[task])
    names = [k for k in fast if k not in inner.frozen]
    gradients = torch.autograd.grad(loss, [fast[k] for k in names], create_graph=create_graph)
    return fast | {k: fast[k] - inner.rate * g for k, g in zip(names, gradients, strict=True)}


@torch.no_grad()
def _predict(problem: Problem, fast: Params, x: Tensor) -> Tensor:
    outputs: Tensor = functional_call(problem.model, fast, (x,))
    return outputs
