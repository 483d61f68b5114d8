"""A strategy at play on MDPs: it plans before each episode, and learns from every step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from replications.rl2.beliefs import Beliefs, Prior
from replications.rl2.mdps import MdpBatch

Plan = Callable[[Beliefs, int, torch.Generator], Tensor]
"""From beliefs, the episode's number (0 … n - 1) and a generator for what is drawn, the values
[T, H, S, A] that the episode is played by."""


def total_reward(batch: MdpBatch, prior: Prior, plan: Plan, epsilon: float = 0.0) -> Tensor:
    """Play all episodes by what `plan` says of them; return the sums of the rewards [T].

    In each step the action of the greatest value is taken, with probability `epsilon` any. What is
    drawn comes from a generator with the seed of the first MDP of the batch.
    """
    episodes, horizon = batch.draws.shape[1:]
    generator = torch.Generator(batch.means.device).manual_seed(int(batch.seeds[0]))
    playing, beliefs = batch.begin(), Beliefs(prior, batch)
    rows, total = (
        torch.arange(len(batch), device=batch.means.device),
        batch.means.new_zeros(len(batch)),
    )
    for episode in range(episodes):
        values = plan(beliefs, episode, generator)
        for step in range(horizon):
            states = playing.states
            actions = best_action(values[rows, step, states], epsilon, generator)
            paid = playing.pay(actions)
            beliefs.see(states, actions, paid, None if playing.ended else playing.states)
            total += paid
    return total


def best_action(values: Tensor, epsilon: float, generator: torch.Generator) -> Tensor:
    """Return the action [T] of the greatest of `values` [T, A], any of those where several are
    equal; with probability `epsilon` any action."""
    device = values.device
    rank = torch.rand(values.shape, generator=generator, device=device)
    allowed = values == values.amax(-1, keepdim=True)
    if epsilon:
        allowed |= torch.rand(len(values), 1, generator=generator, device=device) < epsilon
    return torch.where(allowed, rank, -1.0).argmax(-1)
