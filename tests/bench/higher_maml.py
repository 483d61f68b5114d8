"""Testing a MAML with `higher`, as its examples do. (Training with it is engine `higher`.)"""

from __future__ import annotations

import warnings

import higher
import torch
from torch import Tensor

from harness.meta_gradient.problem import InnerLoop, Params, Problem
from harness.tasks.batch import SupervisedBatch


def query_outputs(
    problem: Problem, params: Params, batch: SupervisedBatch, inner: InnerLoop
) -> Tensor:
    """Return the query outputs [steps + 1, T, Q, …] after 0, 1, …, steps of fine-tuning."""
    net = problem.model
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.copy_(params[name])
    adapting = [p for n, p in net.named_parameters() if n not in inner.frozen]
    optimiser = torch.optim.SGD(adapting, lr=inner.rate)
    tasks = []
    for i in range(len(batch)):
        with (
            warnings.catch_warnings(),
            higher.innerloop_ctx(net, optimiser, track_higher_grads=False) as (fast, inner_opt),
        ):
            warnings.simplefilter("ignore")  # higher 0.2.1 predates today's deprecations
            outputs = [fast(batch.query_x[i]).detach()]
            for _ in range(inner.steps):
                inner_opt.step(problem.support_loss(fast(batch.support_x[i]), batch.support_y[i]))
                outputs.append(fast(batch.query_x[i]).detach())
        tasks.append(torch.stack(outputs))
    return torch.stack(tasks, 1)
