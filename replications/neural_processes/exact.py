"""The exact Gaussian process: the best that any model can do that predicts each target by itself.

With known kernel, the predictive density of a target is Gaussian in closed form. No network of this
family gives a deviation below `least_deviation`, so neither does this one: the greater of both is
the best deviation that is allowed. Context points are targets too; they are known exactly.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from harness.methods.untrained import Untrained
from replications.neural_processes.kernels import JITTER, Covariance
from replications.neural_processes.networks import Gaussian
from replications.neural_processes.predictor import Prediction, Predictor
from replications.neural_processes.ranged import RangedCovariance
from replications.neural_processes.tasks import Context, FunctionBatch


def exact_prediction(
    covariance: Covariance | RangedCovariance, x: Tensor, y: Tensor, context: Context, least: float
) -> Gaussian:
    """Return mean and deviation [T, n] at x [T, n] (float64) given y [T, n] at the context.

    With K the covariance of the context, k that of a target with it: mean k'K⁻¹y, variance
    that of the prior - k'K⁻¹k + noise.
    """
    known_x, present = context.of(x), context.present
    both = present.unsqueeze(-1) & present.unsqueeze(-2)
    # An absent point is one that has nothing to do with any other.
    eye = torch.eye(present.shape[1], dtype=x.dtype, device=x.device)
    k_known = torch.where(both, covariance.at(known_x), eye)
    k_cross = covariance.between(known_x, x) * present.unsqueeze(-1)
    known_y = torch.where(present, context.of(y), 0.0)
    factor = torch.linalg.cholesky(k_known)
    half = torch.linalg.solve_triangular(factor, k_cross, upper=False)
    half_y = torch.linalg.solve_triangular(factor, known_y.unsqueeze(-1), upper=False)
    mean = (half * half_y).sum(1)
    prior = covariance.prior() + covariance.noise + JITTER
    variance = (prior - half.square().sum(1)).clamp(min=0)
    known = torch.zeros_like(x, dtype=torch.bool).scatter_(1, context.index, present)
    mean, variance = torch.where(known, y, mean), torch.where(known, 0.0, variance)
    return mean, variance.sqrt().clamp(min=least)


class ExactProcess(Predictor, Untrained):
    """The Gaussian process that the tasks are drawn from: the ceiling."""

    Settings = Prediction

    def build(self, tasks: Any) -> None:
        """Take the covariance of the tasks."""
        super().build(tasks)
        self.covariance = tasks.settings.covariance()

    def predict(self, batch: FunctionBatch, context: Context) -> Gaussian:
        """Return the exact prediction."""
        least = self.settings.least_deviation
        return exact_prediction(self.covariance, batch.x, batch.y, context, least)

    def train_step(self, batch: FunctionBatch, iteration: int) -> Tensor:
        """Return the negative log-likelihood, which nothing lowers."""
        return -self.evaluate(batch)["log_likelihood"].mean().float()
