"""A trial: contexts come one after the other, and a learner sees what its arms paid."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from replications.abml.tasks import ARMS, WheelBatch


class Agent(Protocol):
    """Plays T trials in step."""

    def choose(self, contexts: Tensor) -> Tensor:
        """Return the arms [T] (int64) for contexts [T, 2]."""

    def see(self, contexts: Tensor, arms: Tensor, paid: Tensor) -> None:
        """Take in what arms [T] paid [T] at contexts [T, 2]."""


@torch.no_grad()
def play(batch: WheelBatch, agent: Agent, first_pulls: int) -> Tensor:
    """Play T trials; return the arms that were chosen, [T, n].

    First each arm is pulled `first_pulls` times, in turn; from then on the agent chooses.
    """
    averages = batch.averages()
    noise, contexts = batch.noise.t().contiguous(), batch.contexts.transpose(0, 1).contiguous()
    by_step = averages.transpose(0, 1).contiguous()
    chosen = []
    for t, now in enumerate(contexts):
        if t < first_pulls * ARMS:
            arms = torch.full_like(batch.seeds, t % ARMS)
        else:
            arms = agent.choose(now)
        agent.see(now, arms, by_step[t].gather(1, arms[:, None])[:, 0] + noise[t])
        chosen.append(arms)
    return torch.stack(chosen, 1)
