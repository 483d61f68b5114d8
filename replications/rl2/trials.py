"""Trials of a recurrent policy: what it saw, what it did, what that paid.

A trial is all episodes of one task. Before each step the policy sees the state (one-hot, where
there are any), its last action (one-hot), what it paid, and whether the last step ended an episode;
before the first one action 0, 0 and 1. On a bandit each pull is an episode.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from replications.rl2.environment import TrialBatch
from replications.rl2.network import RecurrentNet


@dataclass(frozen=True)
class Trials:
    """T trials of n steps. `inputs` [n, T, I], `actions` [n, T] int64, `rewards` [n, T] float32,
    `log_p` [n, T, k]: what the policy gave to each action."""

    inputs: Tensor
    actions: Tensor
    rewards: Tensor
    log_p: Tensor


def seen(state: Tensor, actions: Tensor, paid: Tensor, ended: bool, count: int) -> Tensor:
    """Return what is seen of the state [T, O] and of the last step, [T, O + count + 2]."""
    one_hot, last = F.one_hot(actions, count).to(paid.dtype), torch.full_like(paid, float(ended))
    return torch.cat([state.to(paid.dtype), one_hot, paid[:, None], last[:, None]], 1)


@torch.no_grad()
def play(
    policy: RecurrentNet, batch: TrialBatch, generator: torch.Generator, greedy: bool = False
) -> Trials:
    """Play a batch: actions are drawn from the policy, or the most probable one is taken."""
    tasks, playing = len(batch), batch.begin()
    into, over = policy.into.weight(), policy.over.weight()
    out = policy.out.weight()
    state = policy.begin(tasks)
    actions, paid = state.new_zeros(tasks, dtype=torch.int64), state.new_zeros(tasks)
    kept: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    for _ in range(batch.steps):
        inputs = seen(playing.observed(), actions, paid, playing.ended, batch.actions)
        state = policy.step(F.linear(inputs, into, policy.into.bias), state, over)
        log_p = F.linear(state, out, policy.out.bias).log_softmax(-1)
        if greedy:
            actions = log_p.argmax(-1)
        else:
            actions = torch.multinomial(log_p.exp(), 1, generator=generator)[:, 0]
        paid = playing.pay(actions).to(state.dtype)
        kept.append((inputs, actions, paid, log_p))
    return Trials(*(torch.stack(part) for part in zip(*kept, strict=True)))
