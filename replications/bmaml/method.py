"""Bayesian MAML (Yoon, Kim, Dia, Kim, Bengio & Ahn 2018, arXiv 1806.03836).

A start of M networks, the particles, is meta-trained so that a few steps of Stein variational
gradient descent on K points of a task lead them to samples of its posterior. BMAML's loss is the
distance from these followers to a leader: themselves, a step further on more points. EMAML is an
ensemble of MAMLs, MAML one of them. Authors' code: jaesik817/bmaml.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from harness.method import Method
from harness.methods.one_network import OneNetwork, adam
from harness.ranges import Range
from harness.switch_types import (
    Factor,
    Hidden,
    Iterations,
    Rate,
    ShareAboveZero,
    Steps,
    StepsFromOne,
)
from replications.bmaml.network import Networks
from replications.bmaml.posterior import Posterior
from replications.bmaml.svgd import svgd_step
from replications.bmaml.tasks import SinusoidBatch
from replications.bmaml.zero import Zero


@dataclass(frozen=True)
class ParticleSettings:
    """Switches of all methods that train."""

    particles: Annotated[int, Range(1, 1000)]
    """M, networks that start and adapt together."""
    hidden: Hidden
    """Units of the hidden layers of each."""
    meta_rate: Rate
    """Of Adam, at the start."""
    rate_decay: ShareAboveZero
    """The rate falls by this factor over `decay_every` iterations, evenly."""
    decay_every: Iterations
    inner_steps: StepsFromOne
    """Steps of adaptation to the support points in training; BMAML's follower."""
    inner_rate: Rate
    test_steps: Steps
    """Steps of adaptation at test; scores are reported before them and after each."""


class Particles(OneNetwork):
    """Meta-trains where particles start."""

    capturable = True
    test_only = frozenset({"test_steps"})
    settings: Any

    def build(self, tasks: Any) -> None:
        """Draw the particles and make the optimiser."""
        s = self.settings
        self.networks = Networks(1, s.hidden)
        start = torch.cat([self.networks.start(s.particles, self.generator), *self.scalars()], 1)
        self.particles = nn.Parameter(start.to(self.device))
        self.model = nn.ParameterDict({"particles": self.particles})
        self.optimiser = adam(self.model.parameters(), s.meta_rate, self.device)

    def scalars(self) -> list[Tensor]:
        """Draw what a particle has beside a network's weights: columns [M, 1]."""
        return []

    @property
    def start(self) -> Tensor:
        """The particles before adaptation [M, 1, D]."""
        return self.particles.unsqueeze(1)

    @abc.abstractmethod
    def step(self, particles: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Return particles [M, T, D] one step of adaptation to x, y [T, K, 1] further than
        `particles` [M, S, D], S = 1 or T."""

    @abc.abstractmethod
    def loss(self, batch: SinusoidBatch) -> Tensor:
        """Return the meta-loss, mean over tasks."""

    def adapt(self, x: Tensor, y: Tensor, steps: int) -> Iterator[Tensor]:
        """Yield the particles before adaptation to x, y [T, K, 1] and after each step."""
        particles = self.start
        yield particles
        for _ in range(steps):
            particles = self.step(particles, x, y)
            yield particles

    def before_step(self, iteration: int) -> None:
        """Let the rate fall."""
        s = self.settings
        self.set_rate(s.meta_rate * s.rate_decay ** (iteration / s.decay_every))

    def train_step(self, batch: SinusoidBatch, iteration: int) -> Tensor:
        """Take one step of Adam."""
        loss = self.loss(batch)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.detach()

    @torch.no_grad()
    def evaluate(self, batch: SinusoidBatch) -> dict[str, Tensor]:
        """Score T tasks before adaptation and after each of `test_steps`: `mse@k`, the squared
        error of the particles' mean prediction, and `particle_mse@k`, the mean of their own."""
        scores = {}
        adapted = self.adapt(batch.support_x, batch.support_y, self.settings.test_steps)
        for k, particles in enumerate(adapted):
            errors = self.errors(particles, batch.query_x, batch.query_y)
            scores[f"mse@{k}"] = errors.mean(0).square().mean(-1)
            scores[f"particle_mse@{k}"] = errors.square().mean((0, 2))
        return {name: scores[name] for name in self.metrics(self.settings)}

    def errors(self, particles: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Return predictions of particles [M, S, D] at x less y [T, K, 1]: [M, T, K]."""
        return self.networks.run(particles, x).outputs - y.squeeze(-1)

    @classmethod
    def metrics(cls, settings: Any) -> tuple[str, ...]:
        """Name the metrics of `evaluate`, first those after as many steps as in training, which
        stand for the method where few numbers have to."""
        steps = sorted(range(settings.test_steps + 1), key=lambda k: k != settings.inner_steps)
        return tuple(f"{family}@{k}" for k in steps for family in ("mse", "particle_mse"))


@dataclass(frozen=True)
class BMAMLSettings(ParticleSettings):
    """Switches of BMAML."""

    leader_steps: StepsFromOne
    """On support and further points, from where the follower came."""
    leader_rate: Rate
    repulsion: Annotated[float, Range(0, 1000)]
    """Weight of what keeps particles apart. 2: the kernel's own gradient; 1: the authors' code."""
    noise_shape: Factor
    noise_rate: Factor
    """Of the Gamma prior of the precision γ of values."""
    noise_start: Factor
    """γ at the start."""
    weight_shape: Factor
    weight_rate: Factor
    """Of the Gamma prior of the precision λ of weights."""
    weight_start: Factor
    """λ at the start."""


class BMAML(Particles):
    """Particles that chase their own posterior."""

    Settings = BMAMLSettings
    settings: BMAMLSettings

    def build(self, tasks: Any) -> None:
        """Draw the particles and state the posterior."""
        super().build(tasks)
        s = self.settings
        self.posterior = Posterior(
            self.networks, s.noise_shape, s.noise_rate, s.weight_shape, s.weight_rate
        )

    def scalars(self) -> list[Tensor]:
        """Draw ln λ and ln γ about where they start."""
        s, drawn = self.settings, torch.empty(self.settings.particles, 1)
        return [
            math.log(start) + drawn.normal_(0, 0.001, generator=self.generator)
            for start in (s.weight_start, s.noise_start)
        ]

    def step(self, particles: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Take one step of the follower."""
        return self._step(particles, x, y, self.settings.inner_rate)

    def loss(self, batch: SinusoidBatch) -> Tensor:
        """Return the chaser loss: squared distance of follower and leader, summed over particles,
        over weights alone."""
        s = self.settings
        *_, follower = self.adapt(batch.support_x, batch.support_y, s.inner_steps)
        leader = self.leader(follower.detach(), batch)
        moved = (follower - leader)[..., : self.networks.count]
        return moved.square().sum((0, 2)).mean()

    @torch.no_grad()
    def leader(self, follower: Tensor, batch: SinusoidBatch) -> Tensor:
        """Return the particles [M, T, D] that the follower chases."""
        x = torch.cat([batch.support_x, batch.further_x], 1)
        y = torch.cat([batch.support_y, batch.further_y], 1)
        leader = follower
        for _ in range(self.settings.leader_steps):
            leader = self._step(leader, x, y, self.settings.leader_rate)
        return leader

    def _step(self, particles: Tensor, x: Tensor, y: Tensor, rate: float) -> Tensor:
        gradient = self.posterior.gradient(particles, x, y)
        return svgd_step(particles, gradient, rate, self.settings.repulsion)


class EMAML(Particles):
    """M MAMLs that share their tasks and nothing else."""

    Settings = ParticleSettings
    settings: ParticleSettings

    def step(self, particles: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Take one gradient step on each particle's mean squared error."""
        done = self.networks.run(particles, x)
        upon = 2 / x.shape[1] * (done.outputs - y.squeeze(-1))
        gradient = torch.cat(self.networks.gradients(particles, done, upon), -1)
        return particles - self.settings.inner_rate * gradient

    def loss(self, batch: SinusoidBatch) -> Tensor:
        """Return the mean squared error at the further points after adaptation, summed over
        particles."""
        *_, adapted = self.adapt(batch.support_x, batch.support_y, self.settings.inner_steps)
        errors = self.errors(adapted, batch.further_x, batch.further_y)
        return errors.square().mean(2).sum(0).mean()


ALGORITHMS: dict[str, type[Method]] = {"bmaml": BMAML, "emaml": EMAML, "zero": Zero}
