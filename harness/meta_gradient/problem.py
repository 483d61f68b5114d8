"""What an engine differentiates: a model, the losses of one task, and an inner loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from harness.tasks.batch import SupervisedBatch

Params = dict[str, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class InnerLoop:
    """Gradient descent on the support set: θ ← θ - rate * ∇ support loss(θ), `steps` times."""

    steps: int
    rate: float
    first_order: bool
    """True: the inner gradients are constants for the outer one (MAML, section 5.2)."""
    frozen: frozenset[str] = frozenset()
    """Names of parameters that do not adapt, but are meta-trained."""


@dataclass(frozen=True)
class Problem:
    """A model and its losses.

    `model` maps one task's inputs [S, …] to outputs [S, …] without side effects (no running
    statistics). `support_loss` and `query_loss` map (outputs, targets) of one task to a scalar.
    """

    model: nn.Module
    support_loss: Loss
    query_loss: Loss

    def outputs(self, params: Params, x: Tensor) -> Tensor:
        """Give the model's outputs for one task's inputs under `params`."""
        found: Tensor = torch.func.functional_call(self.model, params, (x,))
        return found

    def on_support(self, params: Params, x: Tensor, y: Tensor) -> Tensor:
        """Give the scalar support loss of one task."""
        return self.support_loss(self.outputs(params, x), y)

    def on_query(self, params: Params, x: Tensor, y: Tensor) -> Tensor:
        """Give the scalar query loss of one task."""
        return self.query_loss(self.outputs(params, x), y)


@dataclass(frozen=True)
class MetaGradient:
    """The mean query loss after adaptation over the tasks, and its gradient at the start."""

    loss: Tensor
    """Scalar, detached."""
    gradients: Params
    """By parameter name, the shapes of the parameters."""


class Engine(Protocol):
    """How a meta-gradient is computed. All engines give the same gradient."""

    def __call__(
        self, problem: Problem, params: Params, batch: SupervisedBatch, inner: InnerLoop
    ) -> MetaGradient:
        """Give the meta-gradient of the mean over the batch's tasks."""
        ...


def split(params: Params, inner: InnerLoop) -> tuple[Params, Params]:
    """Part parameters into those that adapt and those that do not."""
    adapting = {k: v for k, v in params.items() if k not in inner.frozen}
    return adapting, {k: v for k, v in params.items() if k in inner.frozen}
