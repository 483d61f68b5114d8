"""RL² (Duan, Schulman, Chen, Bartlett, Sutskever & Abbeel 2016, arXiv 1611.02779).

The paper trains a recurrent policy on many bandits or MDPs (`agent.py`) and sets it beside
strategies that are known to be good or best: for bandits here and in `policies.py`, for MDPs in
`mdp_strategies.py`.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from harness.methods.untrained import Untrained
from harness.ranges import Entries, Range
from harness.switch_types import Share
from replications.rl2 import policies
from replications.rl2.agent import RL2
from replications.rl2.blocks import ScoredByBlocks
from replications.rl2.constant import ChosenConstant
from replications.rl2.mdp_strategies import MdpPlanner, MdpRule, MdpTuned, MdpUcrl2
from replications.rl2.optimal import bayes_optimal
from replications.rl2.policies import Seen
from replications.rl2.tasks import BanditBatch


def total_reward(batch: BanditBatch, choose: Callable[[Seen], Tensor]) -> Tensor:
    """Let `choose` name an arm of each bandit at each pull; return the sums of what they paid [T].

    What is drawn comes from a generator with the seed of the first bandit of the batch.
    """
    pulls = batch.draws.shape[1]
    generator = torch.Generator(batch.chances.device).manual_seed(int(batch.seeds[0]))
    wins, losses = torch.zeros_like(batch.chances), torch.zeros_like(batch.chances)
    for pull in range(pulls):
        arms = choose(Seen(wins, losses, pulls - pull, generator))
        paid = batch.pay(pull, arms)
        wins.scatter_add_(1, arms[:, None], paid[:, None])
        losses.scatter_add_(1, arms[:, None], 1 - paid[:, None])
    return wins.sum(1)


class Strategy(ScoredByBlocks, Untrained):
    """Plays bandits by a rule that is not learned."""

    settings: Any

    @abc.abstractmethod
    def choose(self, seen: Seen) -> Tensor:
        """Return the arm of each bandit [T]."""

    def train_step(self, batch: BanditBatch, iteration: int) -> Tensor:
        """Return the negative mean reward, which nothing lowers."""
        return -self.evaluate(batch)["reward"].mean().float()

    def evaluate(self, batch: BanditBatch) -> dict[str, Tensor]:
        """Return the `reward` of each bandit [T]."""
        return {"reward": total_reward(batch, self.choose)}


@dataclass(frozen=True)
class RuleSettings:
    """Switches of a strategy without a constant."""

    rule: Literal["random", "gittins", "thompson", "greedy", "bayes-optimal"]
    """The last is ours: no player can expect more. Its table grows fast with the pulls; 10 are few
    enough."""


class Rule(Strategy):
    """A strategy without a constant."""

    Settings = RuleSettings

    def choose(self, seen: Seen) -> Tensor:
        """Return the arm of each bandit [T]."""
        match self.settings.rule:
            case "random":
                return policies.random_arm(seen)
            case "gittins":
                return policies.gittins(seen)
            case "thompson":
                return policies.thompson(seen)
            case "bayes-optimal":
                return bayes_optimal(seen)
        return seen.means.argmax(1)


@dataclass(frozen=True)
class OptimisticSettings:
    """Switches of optimistic Thompson sampling."""

    samples: Annotated[int, Range(1, 1000)]


class Optimistic(Strategy):
    """Optimistic Thompson sampling."""

    Settings = OptimisticSettings

    def choose(self, seen: Seen) -> Tensor:
        """Return the arm of each bandit [T]."""
        return policies.optimistic_thompson(seen, self.settings.samples)


@dataclass(frozen=True)
class TunedSettings:
    """Switches of a strategy with a constant that is chosen on validation tasks."""

    rule: Literal["ucb1", "epsilon-greedy"]
    grid: Annotated[tuple[Share, ...], Entries(1, 1000)]
    """Values to choose from; of equally good ones the first."""


class Tuned(ChosenConstant, Strategy):
    """A strategy with a constant."""

    Settings = TunedSettings

    def choose(self, seen: Seen) -> Tensor:
        """Return the arm of each bandit [T]."""
        value = float(self.constant)
        if self.settings.rule == "ucb1":
            return policies.ucb1(seen, value)
        return policies.epsilon_greedy(seen, value)


ALGORITHMS = {
    "rl2": RL2,
    "rule": Rule,
    "optimistic-thompson": Optimistic,
    "tuned": Tuned,
    "mdp-rule": MdpRule,
    "mdp-planner": MdpPlanner,
    "mdp-tuned": MdpTuned,
    "mdp-ucrl2": MdpUcrl2,
}
