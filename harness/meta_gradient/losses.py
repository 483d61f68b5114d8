"""Losses of one task, with their derivatives by the outputs of many tasks at once."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Literal

from torch import Tensor
from torch.func import grad, grad_and_value, vmap
from torch.nn import functional as F

from harness.meta_gradient.problem import Loss


class LossRule(abc.ABC):
    """A loss of one task, and what the chain rule needs of it for T tasks."""

    @abc.abstractmethod
    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the scalar loss of one task: outputs [S, …], targets [S, …]."""

    @abc.abstractmethod
    def gradient(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return losses [T] and their derivatives by `outputs` [T, S, …]."""

    @abc.abstractmethod
    def product(self, outputs: Tensor, targets: Tensor, direction: Tensor) -> Tensor:
        """Return each task's Hessian by the outputs times `direction` [T, S, …]."""


@dataclass(frozen=True)
class CrossEntropy(LossRule):
    """Cross-entropy of logits [S, ways] with labels [S].

    `sum` is over examples. `sum-over-classes` is `ways` times the mean over examples: the MAML
    authors divide the summed loss by the shots only (cbfinn/maml utils.py, `xent`), which makes
    their inner step longer.
    """

    reduction: Literal["mean", "sum", "sum-over-classes"]

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of one task."""
        return F.cross_entropy(outputs, targets) * self._of_mean(*outputs.shape)

    def _of_mean(self, examples: int, ways: int) -> int:
        """Return how many times the mean it is."""
        return {"mean": 1, "sum": examples, "sum-over-classes": ways}[self.reduction]

    def _factor(self, outputs: Tensor) -> float:
        _, examples, ways = outputs.shape
        return self._of_mean(examples, ways) / examples

    def gradient(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Softmax minus the one-hot labels."""
        factor, index = self._factor(outputs), targets.unsqueeze(-1)
        logs = F.log_softmax(outputs, -1)
        losses = logs.gather(-1, index).sum((1, 2)).mul_(-factor)
        g = logs.exp_()
        g.scatter_add_(-1, index, g.new_full((), -1.0).expand(index.shape))
        return losses, g.mul_(factor)

    def product(self, outputs: Tensor, targets: Tensor, direction: Tensor) -> Tensor:
        """The softmax's Jacobian times the direction."""
        p = F.softmax(outputs, -1)
        pd = p * direction
        return pd.addcmul_(p, pd.sum(-1, keepdim=True), value=-1).mul_(self._factor(outputs))


@dataclass(frozen=True)
class MeanSquaredError(LossRule):
    """Mean over examples and outputs of the squared difference."""

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of one task."""
        return F.mse_loss(outputs, targets)

    def gradient(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Twice the difference, over the number of values."""
        difference = outputs - targets
        losses = difference.square().flatten(1).mean(1)
        return losses, difference.mul_(2 / outputs[0].numel())

    def product(self, outputs: Tensor, targets: Tensor, direction: Tensor) -> Tensor:
        """The Hessian is a multiple of the identity."""
        return direction * (2 / outputs[0].numel())


@dataclass(frozen=True)
class AnyLoss(LossRule):
    """Any other function of one task's (outputs, targets), by `torch.func`."""

    function: Loss

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of one task."""
        return self.function(outputs, targets)

    def gradient(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """By reverse mode."""
        g, losses = vmap(grad_and_value(self.function))(outputs, targets)
        return losses, g

    def product(self, outputs: Tensor, targets: Tensor, direction: Tensor) -> Tensor:
        """The gradient of (gradient · direction), which is the same: a Hessian is symmetric."""

        def along(outputs: Tensor, targets: Tensor, direction: Tensor) -> Tensor:
            gradient: Tensor = grad(self.function)(outputs, targets)
            return (gradient * direction).sum()

        products: Tensor = vmap(grad(along))(outputs, targets, direction)
        return products


def loss_rule(loss: Loss) -> LossRule:
    """Return the rule of a loss: its own, that of torch's function, or the general one."""
    if isinstance(loss, LossRule):
        return loss
    known: dict[object, LossRule] = {
        F.mse_loss: MeanSquaredError(),
        F.cross_entropy: CrossEntropy("mean"),
    }
    return known.get(loss) or AnyLoss(loss)
