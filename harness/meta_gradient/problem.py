"""What an engine differentiates: a model, the losses of one task, and an inner loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from harness.errors import HarnessError, closest
from harness.tasks.batch import SupervisedBatch

Params = dict[str, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class InnerLoop:
    """Gradient descent on the support set: θ ← θ - rate * ∇ support loss(θ), `steps` times."""

    steps: int
    rate: float
    """Of every step and parameter that has no learned rate."""
    first_order: bool
    """True: the inner gradients are constants for the outer one (MAML, section 5.2)."""
    frozen: frozenset[str] = frozenset()
    """Names of parameters that do not adapt, but are meta-trained (ANIL: all but the head)."""
    query_weights: tuple[float, ...] = ()
    """Weights of the query loss after step 0, 1, …, `steps` (the multi-step loss of MAML++,
    Antoniou et al. 2019, section 3.1). Empty: the loss after the last step alone."""
    per_step: frozenset[str] = frozenset()
    """Those of `frozen` that have a value of their own for each step, along a first axis of `steps`
    (the batch norms of MAML++). Value k stands in the model when step k, counted from 0, sees the
    support set and when the query set is seen after that step; before all steps, value 0."""

    def loss_weights(self) -> tuple[float, ...]:
        """Return the weight of the query loss at each of the `steps + 1` states of a task."""
        if not self.query_weights:
            return (*[0.0] * self.steps, 1.0)
        if len(self.query_weights) != self.steps + 1:
            raise HarnessError(
                f"query_weights: found {len(self.query_weights)}, wanted {self.steps + 1}: one "
                f"before adaptation and one after each of {self.steps} steps."
            )
        if not any(self.query_weights):
            raise HarnessError(
                f"query_weights: found {self.query_weights}, wanted at least one that is not 0."
            )
        return self.query_weights


@dataclass(frozen=True)
class Problem:
    """A model and its losses.

    `model` maps one task's inputs [S, …] to outputs [S, …] without side effects (no running
    statistics). `support_loss` and `query_loss` map (outputs, targets) of one task to a scalar.
    All three run under `torch.func.vmap`: no `.item()`, no branches on values.
    """

    model: nn.Module
    support_loss: Loss
    query_loss: Loss
    query_statistics: Literal["query", "support-and-query"] = "query"
    """What stands in one batch with the query examples when they are predicted, and so whose
    statistics a batch norm takes: the query set alone (MAML's code), or both sets together."""

    def outputs(self, params: Params, x: Tensor) -> Tensor:
        """Return the model's outputs for one task's inputs under `params`."""
        outputs: Tensor = torch.func.functional_call(self.model, params, (x,))
        return outputs

    def on_support(self, params: Params, x: Tensor, y: Tensor) -> Tensor:
        """Return the scalar support loss of one task."""
        return self.support_loss(self.outputs(params, x), y)

    def on_query(self, params: Params, x: Tensor, y: Tensor) -> Tensor:
        """Return the scalar query loss of one task of a batch that went through `prepared`."""
        return self.query_loss(self.outputs(params, x)[-y.shape[0] :], y)

    def prepared(self, batch: SupervisedBatch) -> SupervisedBatch:
        """Return the batch whose query inputs are what the model sees at once; queries come
        last."""
        if self.query_statistics == "query":
            return batch
        together = torch.cat([batch.support_x, batch.query_x], dim=1)
        return _SeenTogether(batch.support_x, batch.support_y, together, batch.query_y)


class _SeenTogether(SupervisedBatch):
    """A batch whose query inputs begin with the support inputs: more of them than targets."""

    def _check_counts(self) -> None:
        """Nothing: they were checked before the sets were joined."""


@dataclass(frozen=True)
class MetaGradient:
    """The mean query loss after adaptation over the tasks, and its gradient at the start."""

    loss: Tensor
    """Scalar, detached."""
    gradients: Params
    """By parameter name, the shapes of the parameters."""
    rate_gradients: Params = field(default_factory=dict)
    """By parameter name, the shapes of the learned rates."""


class Engine(Protocol):
    """How a meta-gradient is computed. All engines give the same gradient."""

    def __call__(
        self,
        problem: Problem,
        params: Params,
        batch: SupervisedBatch,
        inner: InnerLoop,
        rates: Params | None = None,
    ) -> MetaGradient:
        """Return the meta-gradient of the mean over the batch's tasks.

        `rates` are learned inner rates by parameter name: [steps, …] where … broadcasts against the
        parameter (one rate a step, MAML++; one rate a weight, Meta-SGD: Li et al. 2017). They are
        differentiated in both orders: in first order with the inner gradients held constant.
        """
        ...


def split(params: Params, inner: InnerLoop) -> tuple[Params, Params]:
    """Part parameters into those that adapt and those that do not; refuse names of neither."""
    if unknown := sorted(inner.frozen - params.keys()):
        raise HarnessError(
            f"frozen: found {unknown[0]!r}{closest(unknown[0], params)}, "
            "wanted names of parameters."
        )
    if inner.steps and inner.frozen == params.keys():
        raise HarnessError(
            f"frozen: found every parameter, wanted one that adapts in {inner.steps} steps; "
            "without adaptation there are 0 steps."
        )
    if unknown := sorted(inner.per_step - inner.frozen):
        raise HarnessError(f"per_step: found {unknown[0]!r}, wanted names that are in `frozen`.")
    for name in sorted(inner.per_step):
        if not inner.steps or params[name].shape[:1] != (inner.steps,):
            raise HarnessError(
                f"per_step: found {name!r} of shape {tuple(params[name].shape)} with {inner.steps} "
                "steps, wanted one step or more and a first axis of as many."
            )
    adapting = {k: v for k, v in params.items() if k not in inner.frozen}
    return adapting, {k: v for k, v in params.items() if k in inner.frozen}


def on_support(fixed: Params, inner: InnerLoop, step: int) -> Params:
    """Return the parameters that do not adapt as the model has them for the support set of a step,
    counted from 0."""
    return {k: v[step] if k in inner.per_step else v for k, v in fixed.items()}


def on_query(fixed: Params, inner: InnerLoop, after: int) -> Params:
    """Return the parameters that do not adapt as the model has them for the query set `after` so
    many steps."""
    return on_support(fixed, inner, max(after - 1, 0))
