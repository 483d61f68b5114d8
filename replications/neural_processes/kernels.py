"""Covariances of the Gaussian processes that tasks are drawn from.

Authors' notebooks (`utils/ntbks_helpers.py`, `get_datasets_single_gp`), with the formulas of
scikit-learn's kernels: variance 1, distances in the units of the inputs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Kernel = Literal["rbf", "periodic", "noisy-matern"]
JITTER = 1e-10
"""Added to the diagonal, so that a covariance without noise has a Cholesky factor in float64."""


@dataclass(frozen=True)
class Covariance:
    """One kernel with its numbers."""

    kernel: Kernel
    length: float
    period: float
    noise: float
    """Variance of white noise at each point; part of what a function's values are."""

    def between(self, one: Tensor, other: Tensor) -> Tensor:
        """Return the covariances of functions without noise at `one` [..., n] and `other`
        [..., m]: [..., n, m]."""
        distance = (one.unsqueeze(-1) - other.unsqueeze(-2)).abs()
        if self.kernel == "rbf":
            return torch.exp(-0.5 * (distance / self.length) ** 2)
        if self.kernel == "periodic":
            return torch.exp(-2 * (torch.sin(math.pi * distance / self.period) / self.length) ** 2)
        scaled = math.sqrt(3) * distance / self.length
        return (1 + scaled) * torch.exp(-scaled)

    def prior(self) -> float:
        """Return the variance of a value without noise."""
        return 1.0

    def at(self, points: Tensor) -> Tensor:
        """Return the covariance of values, noise with them, at distinct `points` [..., n]."""
        extra = (self.noise + JITTER) * torch.eye(points.shape[-1], dtype=points.dtype)
        return self.between(points, points) + extra.to(points.device)
