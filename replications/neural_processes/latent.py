"""The latent neural process (Garnelo et al. 2018b): one random representation for a function.

The mean code of a set of points gives a Gaussian over z (`LatentNeuralProcessFamily`,
`npf/neuralproc/base.py`; objectives in `npf/losses.py`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from replications.neural_processes.networks import (
    Gaussian,
    PointEncoder,
    decoder,
    gaussian,
    mean_of_present,
)
from replications.neural_processes.perceptron import Perceptron
from replications.neural_processes.tasks import Context


class Belief(NamedTuple):
    """Gaussian over z: mean and deviation, each [T, width]."""

    mean: Tensor
    deviation: Tensor

    def sample(self, normals: Tensor) -> Tensor:
        """Return mean + deviation times the normals [S, T, width]."""
        return self.mean + self.deviation * normals

    def divergence(self, other: Belief) -> Tensor:
        """Return KL(self ‖ other) in nats, [T]."""
        ratio = (self.deviation / other.deviation).square()
        shift = ((self.mean - other.mean) / other.deviation).square()
        return 0.5 * (ratio + shift - 1 - ratio.log()).sum(-1)


class LatentNetwork(nn.Module):
    """LNP: encoder of sets into beliefs over z, and a decoder of z."""

    def __init__(self, width: int, hidden: int, least: float, generator: torch.Generator) -> None:
        super().__init__()
        self.least = least
        self.encode = PointEncoder(width, hidden, generator)
        self.believe = Perceptron((width, width, 2 * width), generator)
        self.decode = decoder(width, generator)

    def beliefs(self, x: Tensor, y: Tensor, context: Context) -> tuple[Belief, Belief]:
        """Return the beliefs after the context and after all points x, y [T, n]."""
        inputs = self.encode.of_inputs(x)
        every = torch.ones_like(x, dtype=torch.bool)
        known = self.encode.of_points(context.of(inputs), context.of(y))
        return (
            self._belief(known, context.present),
            self._belief(self.encode.of_points(inputs, y), every),
        )

    def _belief(self, points: Tensor, present: Tensor) -> Belief:
        mean, raw = self.believe(mean_of_present(points, present)).chunk(2, -1)
        return Belief(mean, 0.1 + 0.9 * raw.sigmoid())

    def forward(self, x: Tensor, z: Tensor) -> Gaussian:
        """Return the predictions [S, T, n] at inputs x [T, n] for samples z [S, T, width]."""
        inputs = self.encode.of_inputs(x)
        return gaussian(self.decode(inputs, z.unsqueeze(2)), self.least)


def log_mean_exp(log_p: Tensor) -> Tensor:
    """Return the logarithm of the mean over the first axis of exp(log_p) [S, T]: [T]."""
    return log_p.logsumexp(0) - math.log(len(log_p))
