"""Networks, posterior and SVGD against plain loops and torch's distributions, in float64."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from replications.bmaml.plain_loops import (
    COUNT,
    POINTS,
    TASKS,
    batch,
    learner,
    log_density,
    looped_step,
    normals,
    pair,
    predict,
    value,
)
from replications.bmaml.svgd import bandwidth, squared_distances, svgd_step

Shared = pytest.mark.parametrize("shared", [True, False])
Repulsion = pytest.mark.parametrize("repulsion", [0.0, 1.0, 2.0])


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    """Compute in float64."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def spread(method: Any, shared: bool) -> Tensor:
    """Return particles [M, S, D] that are the same for all tasks, or apart for each."""
    start = method.start.detach()
    return start if shared else start + 0.1 * normals(len(start), TASKS, start.shape[-1])


@Shared
def test_networks_are_those_of_a_plain_loop(shared: bool) -> None:
    method, drawn = learner(particles=4), batch()
    particles = spread(method, shared)
    outputs = method.networks.run(particles, drawn.support_x).outputs
    for m in range(4):
        for task in range(TASKS):
            particle = particles[m, 0 if shared else task]
            assert torch.allclose(outputs[m, task], predict(particle, drawn.support_x[task]))


@Shared
def test_the_posterior_is_that_of_torchs_distributions(shared: bool) -> None:
    """But constants, and its gradient is that of autograd."""
    method, drawn = learner(particles=4), batch()
    particles = spread(method, shared)
    x, y = drawn.support_x, drawn.support_y
    density = method.posterior.log_density(particles, x, y)
    gradient = method.posterior.gradient(particles, x, y)
    gaussians = 0.5 * (POINTS + COUNT) * math.log(2 * math.pi)
    gammas = sum(a * math.log(b) - math.lgamma(a) for a, b in ((2.0, 0.2), (2.0, 2.0)))
    for m in range(4):
        for task in range(TASKS):
            particle = particles[m, 0 if shared else task].clone().requires_grad_()
            wanted = log_density(particle, x[task], y[task])
            assert float(density[m, task]) == pytest.approx(value(wanted) + gaussians - gammas)
            wanted.backward()  # type: ignore[no-untyped-call]
            assert torch.allclose(gradient[m, task], particle.grad)  # type: ignore[arg-type]


@Repulsion
@Shared
def test_an_svgd_step_is_that_of_a_plain_loop(shared: bool, repulsion: float) -> None:
    method, drawn = learner(particles=5), batch()
    particles = spread(method, shared)
    x, y = drawn.support_x, drawn.support_y
    gradient = method.posterior.gradient(particles, x, y)
    moved = svgd_step(particles, gradient, 1e-3, repulsion)
    for task in range(TASKS):
        alone = [p.clone().requires_grad_() for p in particles[:, 0 if shared else task]]
        wanted = looped_step(alone, x[task], y[task], 1e-3, repulsion)
        for m in range(5):
            assert torch.allclose(moved[m, task], wanted[m], atol=1e-9)


def test_repulsion_two_is_the_kernels_own_gradient() -> None:
    """Without a density, and with one bandwidth, particles move up the sum of kernels."""
    particles = normals(4, 1, 7)
    h = bandwidth(squared_distances(particles.transpose(0, 1)))
    others = particles[:, 0].clone().requires_grad_()
    squares = (particles - others).square().sum(-1)
    (gradient,) = torch.autograd.grad((-squares / h[0]).exp().sum(), others)
    moved = svgd_step(particles, torch.zeros(4, 1, 7), 1.0, 2.0)
    # The kernel is even: what moves one particle by it is what moves the other, reversed.
    assert torch.allclose(moved[:, 0], particles[:, 0] - gradient / 4)


@pytest.mark.parametrize("m", [2, 5, 10])
def test_distances_and_bandwidth_are_those_of_the_authors(m: int) -> None:
    """The median is of the whole matrix, whose diagonal is 0."""
    particles = 3 + normals(2, m, 50)
    squares = squared_distances(particles)
    wanted = torch.cdist(particles, particles).square()
    assert torch.allclose(squares, wanted, atol=1e-10)
    for matrix, h in zip(wanted, bandwidth(squares).flatten(), strict=True):
        assert float(h) == pytest.approx(float(np.median(matrix.numpy())) / math.log(m))


def test_one_particle_climbs_its_own_gradient() -> None:
    method, drawn = learner(particles=1), batch()
    start = method.start.detach()
    gradient = method.posterior.gradient(start, drawn.support_x, drawn.support_y)
    moved = method.step(start, drawn.support_x, drawn.support_y)
    assert torch.allclose(moved, start + 1e-3 * gradient, rtol=1e-12)


def test_equal_particles_stay_equal() -> None:
    method, drawn = learner(particles=3), batch()
    start = method.start.detach()[:1].expand(3, -1, -1)
    moved = method.step(start, drawn.support_x, drawn.support_y)
    assert torch.allclose(moved[0], moved[1])
    alone = svgd_step(start[:1], method.posterior.gradient(start[:1], *pair(drawn)), 1e-3, 1.0)
    assert torch.allclose(moved[:1], alone)
