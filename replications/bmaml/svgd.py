"""Stein variational gradient descent (Liu & Wang 2016) with the kernel of BMAML's code
(`bmaml.py`): particles climb the density together and keep apart.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def squared_distances(particles: Tensor) -> Tensor:
    """Return the squared distances [S, M, M] between particles [S, M, D].

    From products of the particles less their mean, not from differences: D numbers for each
    particle, where differences would take D for each pair.
    """
    centred = particles - particles.mean(1, keepdim=True)
    products = centred @ centred.mT
    own = products.diagonal(dim1=1, dim2=2)
    squares = own.unsqueeze(1) + own.unsqueeze(2) - 2 * products
    return squares.clamp(min=0)


def bandwidth(squares: Tensor) -> Tensor:
    """Return h [S, 1, 1]: the median of all M² squared distances, zeros included, over ln M. It
    counts as a constant in gradients."""
    m = squares.shape[-1]
    ordered = squares.detach().flatten(1).sort(1).values
    middle = ordered[:, (m * m - 1) // 2 : m * m // 2 + 1].mean(1)
    h = middle / math.log(m) if m > 1 else middle
    # Particles that are all equal, or just one: any h gives the same.
    return torch.where(h > 0, h, 1.0).view(-1, 1, 1)


def svgd_step(particles: Tensor, gradient: Tensor, rate: float, repulsion: float) -> Tensor:
    """Return particles [M, T, D] one step of `rate` further than `particles` [M, S, D], S = 1 or T.

    `gradient` [M, T, D] is that of the log-density at the particles. Particle i moves along
    (1/M) Σ_j k_ij gradient_j + `repulsion` k_ij (particle_i - particle_j) / h, k_ij =
    exp(-|particle_i - particle_j|² / h). The kernel's own gradient has `repulsion` 2.
    """
    m, tasks, size = gradient.shape
    by_task = particles.transpose(0, 1)
    squares = squared_distances(by_task)
    h = bandwidth(squares)
    along = (rate / m) * (-squares / h).exp()
    # A step is linear in particles and gradients: two matrices [S, M, M] say all of it.
    apart = repulsion / h * (along.sum(2).diag_embed() - along)
    one = torch.eye(m, dtype=apart.dtype, device=apart.device)
    moved = (one + apart) @ by_task
    if len(by_task) == 1:  # the same for all tasks: one product
        drawn = (along[0] @ gradient.reshape(m, -1)).view(m, tasks, size)
        return moved.transpose(0, 1) + drawn
    return torch.baddbmm(moved, along, gradient.transpose(0, 1)).transpose(0, 1)
