"""Engine `higher`: the reference, by the library `higher` (Grefenstette et al. 2019)."""

from __future__ import annotations

import warnings

import torch

from harness.errors import HarnessError
from harness.meta_gradient.problem import InnerLoop, MetaGradient, Params, Problem
from harness.tasks.batch import SupervisedBatch


def meta_gradient(
    problem: Problem, params: Params, batch: SupervisedBatch, inner: InnerLoop
) -> MetaGradient:
    """Let `higher` track the inner optimiser of each task; average the gradients."""
    try:
        import higher
    except ImportError:
        raise HarnessError(
            "engine 'higher' needs the package higher: "
            "run `pip install metalearning-replications[engines]`."
        ) from None
    model = problem.model
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(params[name])
    adapting = [p for n, p in model.named_parameters() if n not in inner.frozen]
    total = torch.zeros((), dtype=batch.query_x.dtype, device=batch.query_x.device)
    gradients = {k: torch.zeros_like(v) for k, v in params.items()}

    def constant(found: list[torch.Tensor]) -> list[torch.Tensor]:
        return [g.detach() for g in found]

    for i in range(len(batch)):
        optimiser = torch.optim.SGD(adapting, lr=inner.rate)
        with (
            warnings.catch_warnings(),
            higher.innerloop_ctx(model, optimiser, copy_initial_weights=False) as (fast, inner_opt),
        ):
            warnings.simplefilter("ignore")  # higher 0.2.1 predates today's deprecations
            for _ in range(inner.steps):
                loss = problem.support_loss(fast(batch.support_x[i]), batch.support_y[i])
                inner_opt.step(loss, grad_callback=constant if inner.first_order else None)
            loss = problem.query_loss(fast(batch.query_x[i]), batch.query_y[i])
            found = torch.autograd.grad(loss, list(fast.parameters(time=0)))
        for (name, _), more in zip(model.named_parameters(), found, strict=True):
            gradients[name].add_(more, alpha=1 / len(batch))
        total += loss.detach() / len(batch)
    return MetaGradient(total, gradients)
