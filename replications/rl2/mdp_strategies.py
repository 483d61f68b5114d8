"""The paper's baselines on tabular MDPs (section 3.2), by the definitions of TabulaRL (Osband),
which the authors' code imports for them.

Each plans once an episode: by what its posterior expects (greedy, ε-greedy), by MDPs drawn from it
(PSRL, Osband, Russo & Van Roy 2013; OPSRL: the greatest values of several), with a bonus for what
was seen seldom (BEB, Kolter & Ng 2009) or for the best MDP that is not ruled out (UCRL2, Jaksch,
Ortner & Auer 2010).
"""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from harness.methods.untrained import Untrained
from harness.ranges import Entries
from harness.switch_types import Factor, ShareAboveZero
from replications.rl2.beliefs import Beliefs, Prior
from replications.rl2.blocks import ScoredByBlocks
from replications.rl2.constant import ChosenConstant
from replications.rl2.mdp_play import Plan, total_reward
from replications.rl2.mdps import MdpBatch
from replications.rl2.planning import optimistic_values, values

NOTHING = Prior(prior_mean=0.0, prior_precision=1.0, prior_weight=1.0)
"""For strategies that look at no beliefs."""


class MdpStrategy(ScoredByBlocks, Untrained, abc.ABC):
    """Plays MDPs by a rule that is not learned."""

    settings: Any

    @abc.abstractmethod
    def rewards(self, batch: MdpBatch) -> Tensor:
        """Play; return the sums of the rewards [T]."""

    def train_step(self, batch: MdpBatch, iteration: int) -> Tensor:
        """Return the negative mean reward, which nothing lowers."""
        return -self.evaluate(batch)["reward"].mean().float()

    def evaluate(self, batch: MdpBatch) -> dict[str, Tensor]:
        """Return the `reward` of each MDP [T]."""
        return {"reward": self.rewards(batch)}


@dataclass(frozen=True)
class MdpRuleSettings:
    """Switches of what learns nothing."""

    rule: Literal["random", "oracle"]
    """Any action, or the best one by the true MDP: no learner can expect more."""


class MdpRule(MdpStrategy):
    """Plays without learning."""

    Settings = MdpRuleSettings

    def rewards(self, batch: MdpBatch) -> Tensor:
        """Play; return the sums of the rewards [T]."""
        planned = values(batch.means, batch.transitions, batch.draws.shape[2])
        if self.settings.rule == "random":
            planned = torch.zeros_like(planned)
        return total_reward(batch, NOTHING, lambda beliefs, episode, generator: planned)


@dataclass(frozen=True)
class MdpPlannerSettings(Prior):
    """Switches of a strategy without a constant."""

    rule: Literal["psrl", "greedy"]


class MdpPlanner(MdpStrategy):
    """Plans by what its posterior expects, or by an MDP drawn from it."""

    Settings = MdpPlannerSettings

    def rewards(self, batch: MdpBatch) -> Tensor:
        """Play; return the sums of the rewards [T]."""
        horizon = batch.draws.shape[2]
        plan = sampling(1, horizon) if self.settings.rule == "psrl" else expecting(horizon)
        return total_reward(batch, self.settings, plan)


@dataclass(frozen=True)
class MdpTunedSettings(Prior):
    """Switches of a strategy with a constant that is chosen on validation tasks."""

    rule: Literal["opsrl", "beb", "epsilon-greedy"]
    grid: Annotated[tuple[Factor, ...], Entries(1, 1000)]
    """Values to choose from: of how many are drawn, of the bonus's scale, or of ε."""


class MdpTuned(ChosenConstant, MdpStrategy):
    """A strategy with a constant."""

    Settings = MdpTunedSettings

    def rewards(self, batch: MdpBatch) -> Tensor:
        """Play; return the sums of the rewards [T]."""
        horizon, constant = batch.draws.shape[2], float(self.constant)
        match self.settings.rule:
            case "opsrl":
                return total_reward(batch, self.settings, sampling(round(constant), horizon))
            case "beb":
                return total_reward(batch, self.settings, with_bonus(constant, horizon))
        return total_reward(batch, self.settings, expecting(horizon), constant)


@dataclass(frozen=True)
class MdpUcrl2Settings(Prior):
    """Switches of UCRL2."""

    failure: ShareAboveZero
    """δ: the chance with which the true MDP may be ruled out (at scale 1)."""
    grid: Annotated[tuple[Factor, ...], Entries(1, 1000)]
    """Scales of the confidence sets to choose from."""


class MdpUcrl2(ChosenConstant, MdpStrategy):
    """UCRL2 with confidence sets of a scale that is chosen."""

    Settings = MdpUcrl2Settings

    def rewards(self, batch: MdpBatch) -> Tensor:
        """Play; return the sums of the rewards [T]."""
        plan = confident(float(self.constant), self.settings.failure, batch.draws.shape[2])
        return total_reward(batch, self.settings, plan)


def expecting(horizon: int) -> Plan:
    """Plan by expected rewards and transitions."""
    return lambda beliefs, episode, generator: values(beliefs.means, beliefs.transitions, horizon)


def sampling(samples: int, horizon: int) -> Plan:
    """Plan by the greatest values of `samples` MDPs that are drawn from the posterior."""

    def plan(beliefs: Beliefs, episode: int, generator: torch.Generator) -> Tensor:
        greatest = values(*beliefs.draw(generator), horizon)
        for _ in range(samples - 1):
            torch.maximum(greatest, values(*beliefs.draw(generator), horizon), out=greatest)
        return greatest

    return plan


def with_bonus(scale: float, horizon: int) -> Plan:
    """Plan by expectations and BEB's bonus: of a reward 1 / (1 + its precision), of a transition
    2 H³ `scale` / (1 + all Dirichlet parameters) for each step that is left."""

    def plan(beliefs: Beliefs, episode: int, generator: torch.Generator) -> Tensor:
        rewards = beliefs.means + 1 / (1 + beliefs.precisions)
        bonus = 2 * horizon**3 * scale / (1 + beliefs.weights.sum(-1))
        return values(rewards, beliefs.transitions, horizon, bonus)

    return plan


def confident(scale: float, failure: float, horizon: int) -> Plan:
    """Plan by the best MDP of UCRL2's confidence sets: L = 4 ln(2 S A (t + 1) / δ) in episode t
    (from 1), rewards within `scale` √(L / visits), transitions within `scale` √(S L / visits)."""

    def plan(beliefs: Beliefs, episode: int, generator: torch.Generator) -> Tensor:
        _, states, actions = beliefs.paid.shape
        length = 4 * math.log(2 * states * actions * (episode + 2) / failure)
        rewards = scale * (length / beliefs.visits.clamp(min=1)).sqrt()
        slack = scale * (states * length / beliefs.led.sum(-1).clamp(min=1)).sqrt()
        return optimistic_values(beliefs.means + rewards, beliefs.transitions, slack, horizon)

    return plan
