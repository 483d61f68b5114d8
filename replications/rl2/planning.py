"""Values of actions with so many steps left in an episode, by dynamic programming backwards.

All take T problems at once and return [T, H, S, A]: of each step of an episode, state and action
the greatest sum of what is still to come.
"""

from __future__ import annotations

import torch
from torch import Tensor


def values(
    rewards: Tensor, transitions: Tensor, horizon: int, bonus: Tensor | None = None
) -> Tensor:
    """Return the values where `rewards` [T, S, A] and `transitions` [T, S, A, S] hold.

    A `bonus` [T, S, A] is paid for each step that is left after an action.
    """
    tasks, states, actions = rewards.shape
    chances = transitions.reshape(tasks, states * actions, states)
    after = rewards.new_zeros(tasks, states)
    backwards = []
    for left in range(horizon):
        led = torch.bmm(chances, after.unsqueeze(-1)).reshape(rewards.shape)
        value = rewards + led if bonus is None else rewards + led + left * bonus
        after = value.amax(-1)
        backwards.append(value)
    return torch.stack(backwards[::-1], 1)


def optimistic_values(rewards: Tensor, transitions: Tensor, slack: Tensor, horizon: int) -> Tensor:
    """Return the values where the transitions are the best of those within `slack` [T, S, A], in
    the sum of absolute differences, of the given ones ("extended value iteration", Jaksch, Ortner
    & Auer 2010): half of it goes to the best next state and is taken from the worst ones."""
    tasks, states, _ = rewards.shape
    after = rewards.new_zeros(tasks, states)
    backwards = []
    for _ in range(horizon):
        after, order = torch.sort(after, dim=-1, stable=True)
        chances = transitions.gather(-1, order[:, None, None].expand_as(transitions))
        more = torch.minimum(slack / 2, 1 - chances[..., -1])
        # What is left for the k worst states, of which each step up to the next is lost.
        below = (chances[..., :-1].cumsum(-1) - more.unsqueeze(-1)).clamp(min=0)
        led = after[:, -1, None, None] - (below * after.diff(dim=-1)[:, None, None]).sum(-1)
        value = rewards + led
        after = value.amax(-1)
        backwards.append(value)
    return torch.stack(backwards[::-1], 1)
