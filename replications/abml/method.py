"""Amortized Bayesian Meta-Learning (Ravi & Beatson 2019, openreview rkgpy3C5tX): wheel bandits.

A prior over weights, a normal for each, is meta-trained so that a few gradient steps from it, on
what a task has shown, lead to a good belief about that task's weights. Without deviations it is
MAML. On a wheel ABML draws weights for each context and acts by them (Thompson sampling), MAML acts
by what it predicts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from harness.noise import draw_seed, step_generator
from harness.ranges import Range
from harness.switch_types import Factor, Hidden, Iterations, Rate, Steps
from replications.abml.bounds import Fixed
from replications.abml.cnp import WheelCNP
from replications.abml.learner import BeliefAgent, Noise, TaskNoise, WheelLearner
from replications.abml.network import Params, divergence, forward, log_hyperprior, started
from replications.abml.tasks import WheelBatch


@dataclass(frozen=True)
class MAMLSettings:
    """Switches of MAML, and of ABML."""

    hidden: Hidden
    inner_steps: Steps
    """K, in training and at each refit of a trial."""
    inner_rate: Rate
    meta_rate: Rate
    """Of Adam."""
    scale: Factor
    """The network predicts payments divided by this."""
    first_pulls: Annotated[int, Range(0, 1000)]
    """Pulls of each arm at the start of a trial, before the network is asked."""
    refit_every: Iterations
    """Contexts of a trial between two adaptations, each from the meta-trained start."""


class MAML(WheelLearner):
    """Learns a start for gradient steps, in second order."""

    Settings: ClassVar[type] = MAMLSettings
    test_only = frozenset({"first_pulls", "refit_every"})
    operations_countable = False
    start_sd = 0.0
    settings: Any

    def build(self, tasks: Any) -> None:
        """Start the weights, or the prior over them."""
        self.check_lengths(tasks.settings)
        s = self.settings
        start = started(s.hidden, self.start_sd, self.generator)
        self.start: Params = {k: v.to(self.device).requires_grad_() for k, v in start.items()}
        self.noise_seed = draw_seed(self.generator)
        self.optimiser = torch.optim.Adam(self.start.values(), lr=s.meta_rate)

    def error(self, params: Params, x: Tensor, arms: Tensor, y: Tensor, noise: Noise) -> Tensor:
        """Return the mean squared error of what `arms` [T, S] paid, `y`, at contexts `x` [T]."""
        draws = noise(x.shape[1]) if self.start_sd else None
        out = forward(params, x, draws).gather(-1, arms[..., None])[..., 0]
        errors: Tensor = (y - out).square().mean(1)
        return errors

    def inner_loss(self, params: Params, error: Tensor, count: int) -> Tensor:
        """Return what adaptation lowers, [T], for the error on `count` contexts."""
        return error

    def adapt(
        self, x: Tensor, arms: Tensor, y: Tensor, noise: Noise, count: int, graph: bool
    ) -> Params:
        """Return the parameters of T tasks after K gradient steps; `count` is how many contexts
        these stand for. With `graph` they can be differentiated by the start."""
        current = {k: v.expand(len(x), *v.shape) for k, v in self.start.items()}
        for _ in range(self.settings.inner_steps):
            if not graph:
                current = {k: v.detach().requires_grad_() for k, v in current.items()}
            with torch.enable_grad():
                error = self.error(current, x, arms, y, noise)
                loss = self.inner_loss(current, error, count).sum()
                gradients = torch.autograd.grad(loss, list(current.values()), create_graph=graph)
            current = {
                k: v - self.settings.inner_rate * g
                for (k, v), g in zip(current.items(), gradients, strict=True)
            }
        return current if graph else {k: v.detach() for k, v in current.items()}

    def meta_loss(self, batch: WheelBatch, noise: Noise) -> Tensor:
        """Return the error on the query contexts after adaptation."""
        x, y = self.scaled(batch)
        told, asked, arms = self.told, self.asked, batch.arms
        count = x[:, told].shape[1]
        adapted = self.adapt(x[:, told], arms[:, told], y[:, told], noise, count, graph=True)
        return self.error(adapted, x[:, asked], arms[:, asked], y[:, asked], noise).mean()

    def train_step(self, batch: WheelBatch, iteration: int) -> Tensor:
        """Take one step of Adam by the start."""
        generator = step_generator(self.noise_seed, iteration, torch.device("cpu"))
        loss = self.meta_loss(batch, self.drawn(len(batch), generator))
        gradients = torch.autograd.grad(loss, list(self.start.values()))
        for value, gradient in zip(self.start.values(), gradients, strict=True):
            value.grad = gradient
        self.optimiser.step()
        return loss.detach()

    @torch.no_grad()
    def losses(self, batch: WheelBatch) -> Tensor:
        """Return the squared error of payments at the query contexts after adaptation [T], with
        mean weights."""
        (x, y), noise, arms = self.scaled(batch), TaskNoise(self, batch.seeds), batch.arms
        told, asked = self.told, self.asked
        count = x[:, told].shape[1]
        adapted = self.adapt(x[:, told], arms[:, told], y[:, told], noise, count, graph=False)
        out = forward(adapted, x[:, asked], None).gather(-1, arms[:, asked, None])[..., 0]
        errors = (y[:, asked] - out).square().mean(1)
        return errors * float(self.settings.scale) ** 2

    def agent(self, batch: WheelBatch) -> BeliefAgent:
        """Return what plays trials."""
        return BeliefAgent(self, batch, thompson=self.start_sd > 0)

    def weights(self) -> dict[str, Tensor]:
        """Return the start."""
        return {k: v.detach() for k, v in self.start.items()}

    @torch.no_grad()
    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Take a start, in place: Adam holds the same tensors."""
        for name, value in self.start.items():
            value.copy_(weights[name])

    def training_state(self) -> dict[str, Any]:
        """Return Adam's state."""
        return self.optimiser.state_dict()

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take Adam's state."""
        self.optimiser.load_state_dict(state)


@dataclass(frozen=True)
class ABMLSettings(MAMLSettings):
    """Switches of ABML."""

    start_sd: Factor
    """Deviation of each weight in the prior, at the start."""
    likelihood_sd: Factor
    """Deviation of a payment from the prediction, both divided by `scale`."""
    hyper_shape: Factor
    hyper_rate: Factor
    """Of the Gamma distribution of precisions 1/σ² in the prior."""


class ABML(MAML):
    """Learns a prior, from which gradient steps lead to beliefs."""

    Settings = ABMLSettings

    def build(self, tasks: Any) -> None:
        """Start the prior."""
        self.start_sd = self.settings.start_sd
        super().build(tasks)

    def inner_loss(self, params: Params, error: Tensor, count: int) -> Tensor:
        """Return -ln p of what was seen, expected under the belief, plus its divergence from the
        prior, by the number of contexts: [T]."""
        sd: float = self.settings.likelihood_sd
        return error / (2 * sd**2) + divergence(params, self.start) / count

    def meta_loss(self, batch: WheelBatch, noise: Noise) -> Tensor:
        """Return the same of adapted beliefs over all contexts, mean over tasks, less the
        hyperprior's logarithm by the number of all contexts of the batch."""
        x, y = self.scaled(batch)
        told, arms = self.told, batch.arms
        count, every = x[:, told].shape[1], x.shape[1]
        adapted = self.adapt(x[:, told], arms[:, told], y[:, told], noise, count, graph=True)
        losses = self.inner_loss(adapted, self.error(adapted, x, arms, y, noise), every)
        s = self.settings
        hyper = log_hyperprior(self.start, s.hyper_shape, s.hyper_rate)
        return losses.mean() - hyper / (every * len(batch))


ALGORITHMS = {"abml": ABML, "maml": MAML, "cnp": WheelCNP, "fixed": Fixed}
