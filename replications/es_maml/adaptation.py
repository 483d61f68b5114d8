"""How a policy adapts to a task from a few episodes, without gradients (authors'
`zero_order/adaptation_optimizers.py` and `blackbox/blackbox_optimization_algorithms.py`)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Value = Callable[[Tensor], Tensor]
"""Returns of policies [..., 6] on the tasks of the last axis but one: [...]."""


def standardised(values: Tensor, current: Tensor | None = None) -> Tensor:
    """Return `values` [Q, ...] less their mean over their deviation along the first axis, with
    `current` [...] counted among them; 0 where all are equal."""
    every = values if current is None else torch.cat([values, current.unsqueeze(0)])
    deviation = every.std(0, correction=0)
    steady = deviation == 0
    scaled = (values - every.mean(0)) / torch.where(steady, 1.0, deviation)
    return torch.where(steady, 0.0, scaled)


def direction(values: Tensor, perturbations: Tensor, sigma: float) -> Tensor:
    """Return the estimated gradient [..., 6]: the mean of value times perturbation over σ²;
    `values` [Q, ...], `perturbations` [Q, ..., 6]."""
    return (values.unsqueeze(-1) * perturbations).mean(0) / sigma**2


def monte_carlo(
    start: Tensor, value: Value, normals: Tensor, sigma: float, rate: float
) -> tuple[Tensor, Tensor]:
    """Return what policies `start` [T, 6] become by one step along an estimated gradient, and
    their returns before it [T]. `normals` [K, T, 6] are the perturbations over σ."""
    perturbations = sigma * normals
    both = value(torch.cat([start.unsqueeze(0), start + perturbations]))
    before, values = both[0], both[1:]
    return start + rate * direction(standardised(values, before), perturbations, sigma), before


def hill_climbing(
    start: Tensor, value: Value, normals: Tensor, sigma: float
) -> tuple[Tensor, Tensor]:
    """Return what policies `start` [T, 6] become by K proposals in a row, each kept where it
    returns more, and their returns before that [T]. `normals` [K, T, 6]."""
    policies, before = start, value(start)
    best = before
    for step in normals.unbind(0):
        proposed = policies + sigma * step
        returned = value(proposed)
        better = returned > best
        policies = torch.where(better.unsqueeze(-1), proposed, policies)
        best = torch.where(better, returned, best)
    return policies, before
