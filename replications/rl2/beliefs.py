"""What T learners believe of their MDPs: conjugate posteriors over mean rewards and transitions.

A mean reward is N(m, 1 / p) before anything is seen, and rewards have variance 1: after v of them
that sum to r it is N((p m + r) / (p + v), 1 / (p + v)). The chances of the next states are
Dirichlet(w, …, w), and each that was seen adds 1 to its parameter. The last step of an episode
shows no next state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from harness.ranges import Range
from harness.switch_types import Factor
from replications.rl2.mdps import MdpBatch


@dataclass(frozen=True)
class Prior:
    """What is believed before anything is seen."""

    prior_mean: Annotated[float, Range(-1000, 1000)]
    """m, of mean rewards."""
    prior_precision: Factor
    """p, in rewards."""
    prior_weight: Factor
    """w, of each next state."""


class Beliefs:
    """Posteriors of T learners. `visits`, `paid` [T, S, A]: how often an action was taken in a
    state, and what that paid in all; `led` [T, S, A, S]: how often it was seen to lead where."""

    def __init__(self, prior: Prior, batch: MdpBatch) -> None:
        self.prior = prior
        self.visits, self.paid = torch.zeros_like(batch.means), torch.zeros_like(batch.means)
        self.led = torch.zeros_like(batch.transitions)
        self._rows = torch.arange(len(batch), device=batch.means.device)

    def see(self, states: Tensor, actions: Tensor, paid: Tensor, after: Tensor | None) -> None:
        """Learn from a step of each learner, all [T]; `after` is None where an episode ended."""
        chosen = self._rows, states, actions
        self.visits[chosen] += 1
        self.paid[chosen] += paid
        if after is not None:
            self.led[(*chosen, after)] += 1

    @property
    def precisions(self) -> Tensor:
        """Return the precisions of the mean rewards [T, S, A]."""
        return self.visits + self.prior.prior_precision

    @property
    def means(self) -> Tensor:
        """Return the expected mean rewards [T, S, A]."""
        return (self.prior.prior_mean * self.prior.prior_precision + self.paid) / self.precisions

    @property
    def weights(self) -> Tensor:
        """Return the parameters of the Dirichlet laws [T, S, A, S]."""
        return self.led + self.prior.prior_weight

    @property
    def transitions(self) -> Tensor:
        """Return the expected chances of the next states [T, S, A, S]."""
        return self.weights / self.weights.sum(-1, keepdim=True)

    def draw(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw an MDP a learner: mean rewards [T, S, A] and transitions [T, S, A, S]."""
        noise = torch.empty_like(self.paid).normal_(generator=generator)
        raw = torch._standard_gamma(self.weights, generator=generator)
        return self.means + noise / self.precisions.sqrt(), raw / raw.sum(-1, keepdim=True)
