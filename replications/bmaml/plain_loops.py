"""BMAML and MAML as plain loops over tasks, particles and pairs, for the tests beside this file."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributions
from torch.nn import functional

from harness.paper_tests.protocol_tables import published_variant
from harness.run.setup import Setup
from replications.bmaml.tasks import SinusoidBatch

CELL = "sinusoid-100-tasks-5shot"
SHAPES = ((1, 40), (40, 40), (40, 40), (40, 1))
COUNT = 3401
"""Weights and biases of a network."""
TASKS, POINTS = 3, 5


def learner(variant: str = "bmaml", seed: int = 0, **switches: Any) -> Any:
    """Return a method with its initial particles."""
    given = {f"method__{name}": value for name, value in switches.items()}
    made = Setup.at("full", published_variant("bmaml", CELL, variant, **given), seed)
    return made.method(made.tasks())


def batch(count: int = TASKS, split: str = "train") -> SinusoidBatch:
    """Return the first tasks of a split."""
    made = Setup.at("full", published_variant("bmaml", CELL, "bmaml"))
    drawn: SinusoidBatch = made.tasks().batch(split, 0, count)
    return drawn


def normals(*shape: int, seed: int = 0) -> Tensor:
    """Return standard normals, the same ones for a seed."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def pair(drawn: SinusoidBatch) -> tuple[Tensor, Tensor]:
    """Return inputs and values of the support points."""
    return drawn.support_x, drawn.support_y


def value(scalar: Tensor) -> float:
    """Return a number that gradients may hang on."""
    return float(scalar.detach())


def predict(particle: Tensor, x: Tensor) -> Tensor:
    """Map x [K, 1] to [K] by one network: weight and bias of each layer in turn."""
    at = 0
    for i, (inputs, outputs) in enumerate(SHAPES):
        end = at + inputs * outputs
        weight, bias = particle[at:end].view(inputs, outputs), particle[end : end + outputs]
        x = functional.linear(x, weight.T, bias)
        x = functional.relu(x) if i < len(SHAPES) - 1 else x
        at = end + outputs
    return x.squeeze(-1)


def log_density(particle: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return the log-density of one particle by torch's distributions, with its constants."""
    w, weight, noise = particle[:COUNT], particle[COUNT].exp(), particle[COUNT + 1].exp()
    values = distributions.Normal(predict(particle, x), noise.rsqrt())
    weights = distributions.Normal(torch.zeros(()), weight.rsqrt())
    total: Tensor = (
        values.log_prob(y.squeeze(-1)).sum()
        + weights.log_prob(w).sum()
        + (distributions.Gamma(2.0, 0.2).log_prob(noise) + noise.log())
        + (distributions.Gamma(2.0, 2.0).log_prob(weight) + weight.log())
    )
    return total


def looped_step(
    particles: list[Tensor], x: Tensor, y: Tensor, rate: float, repulsion: float = 1.0
) -> list[Tensor]:
    """Move the particles of one task by SVGD, one after the other."""
    gradients = [
        torch.autograd.grad(log_density(p, x, y), p, create_graph=True)[0] for p in particles
    ]
    between = [[(p - other).square().sum() for other in particles] for p in particles]
    h = np.median([[value(d) for d in row] for row in between]) / math.log(len(particles))
    moved = []
    for p, row in zip(particles, between, strict=True):
        direction = torch.zeros_like(p)
        for other, gradient, distance in zip(particles, gradients, row, strict=True):
            kernel = (-distance / h).exp()
            direction = direction + kernel * gradient + repulsion * kernel * (p - other) / h
        moved.append(p + rate * direction / len(particles))
    return moved


def chaser(start: Tensor, drawn: SinusoidBatch) -> Tensor:
    """Return the chaser loss of particles [M, D], task by task and particle by particle."""
    losses = []
    for i in range(len(drawn)):
        x, y = drawn.support_x[i], drawn.support_y[i]
        follower = looped_step(list(start), x, y, 1e-3)
        leader = [p.detach().requires_grad_() for p in follower]
        more_x = torch.cat([x, drawn.further_x[i]])
        more_y = torch.cat([y, drawn.further_y[i]])
        leader = looped_step(leader, more_x, more_y, 1e-3)
        apart = [
            (f - m.detach())[:COUNT].square().sum() for f, m in zip(follower, leader, strict=True)
        ]
        losses.append(torch.stack(apart).sum())
    return torch.stack(losses).mean()


def maml(start: Tensor, drawn: SinusoidBatch, rate: float) -> Tensor:
    """Return MAML's meta-loss for one network [D], task by task."""
    losses = []
    for i in range(len(drawn)):
        support = (predict(start, drawn.support_x[i]) - drawn.support_y[i, :, 0]).square().mean()
        (gradient,) = torch.autograd.grad(support, start, create_graph=True)
        adapted = start - rate * gradient
        errors = predict(adapted, drawn.further_x[i]) - drawn.further_y[i, :, 0]
        losses.append(errors.square().mean())
    return torch.stack(losses).mean()
