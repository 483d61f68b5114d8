"""Episodes of many policies at once.

A policy is linear: action = tanh(W s + b), cut to ±0.1, with s the place less its running mean over
its running deviation (authors' `policies.py` and `blackbox/blackbox_functions.py`). All policies of
a call walk in lock step; nothing loops over policies or tasks.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from replications.es_maml.tasks import ENDS_AT, STEP, World

PARAMETERS = 6
"""W row by row, then b."""
BOUNDS = {"corners": 5.0, "square": 1.0}
"""How far from the origin along an axis the point can go."""


class Normaliser(NamedTuple):
    """Running sums over visited places: `steps` [], `sums` and `squares` [2], float64."""

    steps: Tensor
    sums: Tensor
    squares: Tensor

    @staticmethod
    def empty(device: torch.device) -> Normaliser:
        """Return what has seen nothing: mean 0, deviation 1."""
        zeros = torch.zeros(5, dtype=torch.float64, device=device)
        return Normaliser(zeros[0].clone(), zeros[1:3].clone(), zeros[3:5].clone())

    def plus(self, other: Normaliser) -> Normaliser:
        """Return the sums of both."""
        return Normaliser(*(a + b for a, b in zip(self, other, strict=True)))

    def mean_and_deviation(self) -> tuple[Tensor, Tensor]:
        """Return mean and deviation of places, [2] each; a deviation of 0 counts as 1."""
        count = torch.where(self.steps > 0, self.steps, 1.0)
        mean = self.sums / count
        deviation = (self.squares / count - mean.square()).clamp(min=0).sqrt()
        return mean, torch.where(deviation > 0, deviation, 1.0)


class Walked(NamedTuple):
    """What episodes of P policies gave: `returns` [P], `places` over all of them, and `path`
    [steps, 2, P] where it was asked for, else empty."""

    returns: Tensor
    places: Normaliser
    path: Tensor


def walk(
    world: World,
    horizon: int,
    policies: Tensor,
    goals: Tensor,
    normaliser: Normaliser,
    keep_path: bool = False,
) -> Walked:
    """Walk `policies` [P, 6] to `goals` [P, 2], one episode each."""
    mean, deviation = normaliser.mean_and_deviation()
    # s = (place - mean) / deviation goes into the weights: fewer operations a step.
    weights = policies[:, :4].view(-1, 2, 2) / deviation
    bias = (policies[:, 4:] - (weights * mean).sum(-1)).T.contiguous()
    of_x, of_y = weights.permute(2, 1, 0).contiguous().unbind(0)  # each [2, P]
    goal = goals.T.contiguous()
    place = torch.zeros_like(goal)
    returns = goal.new_zeros(goal.shape[1])
    sums, squares = torch.zeros_like(goal), torch.zeros_like(goal)
    steps, path = goal.new_zeros(()), []
    walking = torch.ones_like(returns)
    for _ in range(horizon):
        action = torch.addcmul(bias, of_x, place[0]).addcmul_(of_y, place[1])
        action = action.tanh_().clamp_(-STEP, STEP)
        place = (place + action).clamp_(-BOUNDS[world], BOUNDS[world])
        paid = -(place - goal).square_().sum(0)
        if world == "corners":
            paid = paid.clamp_(min=-4.0)  # -4 + max(0, 4 - d²)
            returns += paid
            sums += place
            squares.addcmul_(place, place)
            steps += place.shape[1]
        else:
            returns.addcmul_(walking, paid)
            sums.addcmul_(walking, place)
            squares.addcmul_(walking * place, place)
            steps += walking.sum()
            walking = walking * (paid < ENDS_AT)
        if keep_path:
            path.append(place)
    places = Normaliser(steps, sums.sum(1), squares.sum(1))
    return Walked(returns, places, torch.stack(path) if keep_path else goal.new_empty(0))
