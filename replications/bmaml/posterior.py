"""What each particle believes in: the posterior of a network's weights, with its own two precisions
(authors' `bnn.py`).

A particle [D = P + 2] is the network's weights w, ln λ and ln γ. Values are normal about the
network's outputs with precision γ, weights normal about 0 with precision λ, and both precisions
have Gamma priors; densities are of ln λ and ln γ. Constants are left out, as there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from replications.bmaml.network import Networks


@dataclass(frozen=True)
class Posterior:
    """The posterior over particles given a task's points."""

    networks: Networks
    noise_shape: float
    noise_rate: float
    """Of the Gamma prior of γ."""
    weight_shape: float
    weight_rate: float
    """Of the Gamma prior of λ."""

    def log_density(self, particles: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Return ln p [M, T] of particles [M, S, D] given points x, y [T, K, 1], but a constant."""
        w, log_weight, log_noise = self._split(particles)
        errors = y.squeeze(-1) - self.networks.run(particles, x).outputs
        by_point = 0.5 * log_noise - 0.5 * log_noise.exp() * errors.square()
        by_weight = 0.5 * log_weight - 0.5 * log_weight.exp() * w.square()
        priors = (
            self.noise_shape * log_noise
            - self.noise_rate * log_noise.exp()
            + self.weight_shape * log_weight
            - self.weight_rate * log_weight.exp()
        )
        return by_point.sum(-1) + by_weight.sum(-1) + priors.squeeze(-1)

    def gradient(self, particles: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Return the gradient [M, T, D] of `log_density` by the particles, each for its task."""
        w, log_weight, log_noise = self._split(particles)
        weight, noise = log_weight.exp(), log_noise.exp()
        done = self.networks.run(particles, x)
        errors = y.squeeze(-1) - done.outputs
        by_w = self.networks.gradients(particles, done, noise * errors)
        squares = errors.square().sum(-1, keepdim=True)
        by_weight = 0.5 * w.shape[-1] - 0.5 * weight * w.square().sum(-1, keepdim=True)
        by_weight = by_weight + self.weight_shape - self.weight_rate * weight
        by_noise = 0.5 * x.shape[1] - 0.5 * noise * squares
        by_noise = by_noise + self.noise_shape - self.noise_rate * noise
        whole = torch.cat([*by_w, by_weight.expand_as(by_noise), by_noise], -1)
        return whole - nn.functional.pad(weight * w, (0, 2))

    def _split(self, particles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return w [M, S, P], ln λ and ln γ [M, S, 1]."""
        w, log_weight, log_noise = particles.split([self.networks.count, 1, 1], -1)
        return w, log_weight, log_noise
