"""The paper's baselines on bandits (section 3.1): each looks at what the arms paid and names one.

All count one success and one failure of each arm in advance, so that an arm that was never pulled
has the mean 1/2. Equal arms: the first one is pulled.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from replications.rl2.gittins import indices


@dataclass(frozen=True)
class Seen:
    """What T learners know before a pull: `wins` and `losses` [T, k] of each arm so far, how many
    `pulls` are left, this one included, and a generator for what they draw."""

    wins: Tensor
    losses: Tensor
    left: int
    generator: torch.Generator

    @property
    def means(self) -> Tensor:
        """Return the mean [T, k] of each arm's posterior, Beta(wins + 1, losses + 1)."""
        return (self.wins + 1) / (self.wins + self.losses + 2)

    def beliefs(self, samples: int) -> Tensor:
        """Draw chances from the posteriors: [samples, T, k]."""
        a, b = (x.expand(samples, *x.shape) + 1 for x in (self.wins, self.losses))
        one, other = (torch._standard_gamma(x, generator=self.generator) for x in (a, b))
        return one / (one + other)


def random_arm(seen: Seen) -> Tensor:
    """Pull any arm."""
    tasks, arms = seen.wins.shape
    device = seen.wins.device
    return torch.randint(arms, (tasks,), generator=seen.generator, device=device)


def gittins(seen: Seen) -> Tensor:
    """Pull the arm with the greatest Gittins index."""
    pulls = seen.left + int((seen.wins + seen.losses)[0].sum())
    table = torch.from_numpy(indices(pulls)[seen.left]).to(seen.wins.device)
    return table[seen.wins.long(), seen.losses.long()].argmax(1)


def thompson(seen: Seen) -> Tensor:
    """Draw the arms' chances from the posterior, and pull the best of them."""
    return seen.beliefs(1)[0].argmax(1)


def optimistic_thompson(seen: Seen, samples: int) -> Tensor:
    """Draw the chances of all arms `samples` times, and pull the best arm of the draw that is most
    probable: of the highest density of the posterior."""
    drawn = seen.beliefs(samples)
    density = (seen.wins * drawn.log() + seen.losses * (-drawn).log1p()).sum(-1)  # [samples, T]
    chosen = drawn[density.argmax(0), torch.arange(drawn.shape[1], device=drawn.device)]
    return chosen.argmax(1)


def ucb1(seen: Seen, exploration: float) -> Tensor:
    """Pull the arm of the greatest mean + c sqrt(2 ln t / pulls of the arm), counts in advance
    included."""
    pulled = seen.wins + seen.losses + 2
    bonus = (2 * pulled.sum(1, keepdim=True).log() / pulled).sqrt()
    return (seen.means + exploration * bonus).argmax(1)


def epsilon_greedy(seen: Seen, epsilon: float) -> Tensor:
    """Pull any arm with probability ε, else that of the greatest mean."""
    device, tasks = seen.wins.device, len(seen.wins)
    any_arm = random_arm(seen)
    chance = torch.rand(tasks, generator=seen.generator, device=device)
    return torch.where(chance < epsilon, any_arm, seen.means.argmax(1))
