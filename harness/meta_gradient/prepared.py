"""What every engine prepares alike, and how sums over tasks become a meta-gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.errors import HarnessError
from harness.meta_gradient.problem import InnerLoop, MetaGradient, Params, Problem, split
from harness.tasks.batch import SupervisedBatch


@dataclass(frozen=True)
class Prepared:
    """One meta-gradient to be computed."""

    batch: SupervisedBatch
    """As the model sees it (`Problem.prepared`)."""
    start: Params
    """All parameters, apart from what they were computed from."""
    learned: Params
    """Learned rates; empty where there are none."""
    inner: InnerLoop

    def parted(self) -> tuple[Params, Params]:
        """Return the parameters that adapt and those that do not."""
        return split(self.start, self.inner)

    @property
    def wanted(self) -> list[Tensor]:
        """What is differentiated by, in this order."""
        return [*self.start.values(), *self.learned.values()]

    def result(self, loss: Tensor, gradients: Sequence[Tensor]) -> MetaGradient:
        """Return the meta-gradient from the mean loss and the gradients by `wanted`."""
        n = len(self.start)
        return MetaGradient(
            loss.detach(),
            dict(zip(self.start, gradients[:n], strict=True)),
            dict(zip(self.learned, gradients[n:], strict=True)),
        )


def prepare(
    problem: Problem,
    params: Params,
    batch: SupervisedBatch,
    inner: InnerLoop,
    rates: Params | None,
    leaves: bool = True,
) -> Prepared:
    """Return what `Engine` is called with, checked; with `leaves` parameters and rates are leaves
    of autograd's graph. Raises HarnessError for rates and for names that do not fit."""
    start = {k: v.detach() for k, v in params.items()}
    learned = {k: v.detach() for k, v in check_rates(params, inner, rates).items()}
    for value in (*start.values(), *learned.values()) if leaves else ():
        value.requires_grad_()
    prepared = Prepared(problem.prepared(batch), start, learned, inner)
    prepared.parted()
    return prepared


class TaskSums:
    """Means over tasks that are done one after the other."""

    def __init__(self, ready: Prepared) -> None:
        self.ready, inputs = ready, ready.batch.query_x
        self.loss = torch.zeros((), dtype=inputs.dtype, device=inputs.device)
        self.gradients = [torch.zeros_like(v) for v in ready.wanted]

    def add(self, loss: Tensor, gradients: Sequence[Tensor | None]) -> None:
        """Add the loss of one task and its gradients (None: zero), in the order of `wanted`."""
        share = 1 / len(self.ready.batch)
        self.loss += loss.detach() * share
        for mine, more in zip(self.gradients, gradients, strict=True):
            if more is not None:
                mine.add_(more, alpha=share)

    def result(self) -> MetaGradient:
        """Return the meta-gradient."""
        return self.ready.result(self.loss, [g.detach() for g in self.gradients])


def check_rates(params: Params, inner: InnerLoop, rates: Params | None) -> Params:
    """Return the learned rates, or say in one sentence what is wrong with their names or shapes."""
    for name, rate in (rates or {}).items():
        if name not in params or name in inner.frozen:
            raise HarnessError(f"rates: found {name!r}, wanted names of parameters that adapt.")
        shape = params[name].shape
        fits = rate.dim() == len(shape) + 1 and all(
            r in (1, n) for r, n in zip(rate.shape[1:], shape, strict=True)
        )
        if not fits or rate.shape[0] != inner.steps:
            raise HarnessError(
                f"rates[{name!r}]: found shape {tuple(rate.shape)}, wanted {inner.steps} steps and "
                f"then axes that broadcast against {tuple(shape)}."
            )
    return rates or {}
