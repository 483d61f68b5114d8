"""RL² itself: a recurrent policy that learns a strategy for bandits or MDPs (paper, section 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from harness.noise import draw_seed, step_generator
from harness.ranges import Range
from harness.switch_types import Epochs, Rate, Share, Width
from replications.rl2.blocks import ScoredByBlocks
from replications.rl2.environment import TrialBatch
from replications.rl2.minibatch import MinibatchStep, Part, Rule
from replications.rl2.network import RecurrentNet
from replications.rl2.trials import play
from replications.rl2.update import advantages, discounted, improve


@dataclass(frozen=True)
class AgentSettings:
    """Switches of RL²."""

    units: Width
    """Of the GRU, in policy and value."""
    learning_rate: Rate
    """Of Adam; its other settings are torch's defaults."""
    discount: Share
    trace: Share
    """λ of generalised advantages."""
    standardised: bool
    """Whether advantages of a batch have mean 0 and deviation 1."""
    clip: Share
    """Ratios of new to old probability count within 1 ± this."""
    epochs: Epochs
    minibatch: Annotated[int, Range(1, 1_000_000)]
    """Trials of a step."""
    most_divergence: Share
    """Greatest mean KL divergence of a policy from the one before, in nats."""
    gradient_clip: Rate
    """Greatest norm of a gradient."""
    test_arms: Literal["drawn", "most-probable"]
    """Whether arms (of an MDP: actions) are drawn from the policy at test, or the most probable one
    is taken."""


class RL2(ScoredByBlocks):
    """Policy and value; an iteration plays one batch of trials and learns from it."""

    Settings = AgentSettings
    test_only = frozenset({"test_arms"})
    operations_countable = False
    settings: AgentSettings

    def build(self, tasks: Any) -> None:
        """Start both networks and their optimisers."""
        s, actions = self.settings, tasks.settings.actions
        inputs = tasks.settings.observations + actions + 2
        self.policy = RecurrentNet(inputs, s.units, actions, self.generator).to(self.device)
        self.value = RecurrentNet(inputs, s.units, 1, self.generator).to(self.device)
        self.noise_seed = draw_seed(self.generator)
        captured = self.device.type == "cuda"

        def adam(net: nn.Module) -> torch.optim.Optimizer:
            weights, rate = net.parameters(), s.learning_rate
            return torch.optim.Adam(weights, lr=rate, fused=captured, capturable=captured)

        self.optimisers = adam(self.policy), adam(self.value)
        rule = Rule(s.clip, s.epochs, s.minibatch, s.most_divergence, s.gradient_clip)
        self.step = MinibatchStep(self.policy, self.value, self.optimisers, rule)

    def train_step(self, batch: TrialBatch, iteration: int) -> Tensor:
        """Play a batch of trials and learn from it; return the negative mean reward of a trial."""
        s, noise = self.settings, step_generator(self.noise_seed, iteration, self.device)
        trials = play(self.policy, batch, noise)
        with torch.no_grad():
            values = self.value(trials.inputs).squeeze(-1)
        gains = advantages(trials.rewards, values, s.discount, s.trace)
        if s.standardised:
            gains = (gains - gains.mean()) / (gains.std() + 1e-8)
        returns = discounted(trials.rewards, s.discount)
        improve(self.step, Part(trials, gains, returns), noise)
        return -trials.rewards.sum(0).mean()

    def evaluate(self, batch: TrialBatch) -> dict[str, Tensor]:
        """Return the `reward` of each task [T]; actions are drawn with the first one's seed."""
        generator = torch.Generator(self.device).manual_seed(int(batch.seeds[0]))
        greedy = self.settings.test_arms == "most-probable"
        return {"reward": play(self.policy, batch, generator, greedy).rewards.sum(0)}

    def _nets(self) -> nn.ModuleDict:
        return nn.ModuleDict({"policy": self.policy, "value": self.value})

    def weights(self) -> dict[str, Tensor]:
        """Return the weights of policy and value."""
        return {k: v.detach().clone() for k, v in self._nets().state_dict().items()}

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Take weights, in place: the optimisers hold the same tensors."""
        self._nets().load_state_dict(weights)

    def training_state(self) -> dict[str, Any]:
        """Return the state of both optimisers."""
        return {"optimisers": [o.state_dict() for o in self.optimisers]}

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take the state of both optimisers."""
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.step.forget_graph()
