"""Trials of a recurrent policy: what it saw, what it did, what that paid.

A trial is all pulls of one bandit. Before each pull the policy sees its last arm (one-hot), what it
paid, and that the last pull ended an episode (here always); before the first one arm 0, 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from replications.rl2.network import RecurrentNet
from replications.rl2.tasks import BanditBatch


@dataclass(frozen=True)
class Trials:
    """T trials of n pulls. `inputs` [n, T, k + 2], `arms` [n, T] int64, `rewards` [n, T] float32,
    `log_p` [n, T, k]: what the policy gave to each arm."""

    inputs: Tensor
    arms: Tensor
    rewards: Tensor
    log_p: Tensor


def seen(arms: Tensor, paid: Tensor, count: int) -> Tensor:
    """Return what is seen of the last pull, [T, count + 2]."""
    ended = torch.ones_like(paid)
    return torch.cat([F.one_hot(arms, count).to(paid.dtype), paid[:, None], ended[:, None]], 1)


@torch.no_grad()
def play(
    policy: RecurrentNet, batch: BanditBatch, generator: torch.Generator, greedy: bool = False
) -> Trials:
    """Play bandits: arms are drawn from the policy, or the most probable one is pulled."""
    tasks, count = batch.chances.shape
    into, over = policy.into.weight(), policy.over.weight()
    out = policy.out.weight()
    state = policy.begin(tasks)
    arms, paid = state.new_zeros(tasks, dtype=torch.int64), state.new_zeros(tasks)
    kept: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    for pull in range(batch.draws.shape[1]):
        inputs = seen(arms, paid, count)
        state = policy.step(F.linear(inputs, into, policy.into.bias), state, over)
        log_p = F.linear(state, out, policy.out.bias).log_softmax(-1)
        if greedy:
            arms = log_p.argmax(-1)
        else:
            arms = torch.multinomial(log_p.exp(), 1, generator=generator)[:, 0]
        paid = batch.pay(pull, arms).to(state.dtype)
        kept.append((inputs, arms, paid, log_p))
    return Trials(*(torch.stack(part) for part in zip(*kept, strict=True)))
