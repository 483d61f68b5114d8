"""MAML++ (Antoniou, Edwards, Storkey 2019, arXiv 1810.09502).

MAML with learned rates for each layer and step, batch norms for each step, a query loss after every
step, first order before second order, and an annealed outer rate. Authors' code:
AntreasAntoniou/HowToTrainYourMAMLPytorch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from harness.meta_gradient.engines import engine
from harness.meta_gradient.losses import CrossEntropy
from harness.meta_gradient.outer import Outer
from harness.meta_gradient.problem import InnerLoop, Params, Problem
from harness.methods.class_outputs import ClassOutputs
from harness.methods.learned_rates import LearnedRates
from harness.switch_types import Clip, Epochs, EpochsFromOne, Iterations, Rate, StepsFromOne, Width
from harness.tasks.batch import SupervisedBatch
from replications.maml_plus_plus.first_network import PoolNormConv4, Start, start
from replications.maml_plus_plus.network import LeakyPoolConv4


@dataclass(frozen=True)
class MamlPlusPlusSettings:
    """Switches of MAML++. Each of its parts can be left out; without any it is MAML."""

    filters: Width
    order: Literal["second", "first"]
    steps: StepsFromOne
    """Inner steps, in training and at test."""
    inner_rate: Rate
    """Of every layer and step; where rates are learned, at the start."""
    learn_rates: bool
    """One rate for each parameter tensor and step (LSLR)."""
    norms_per_step: bool
    """One scale and offset of each batch norm for each step (BNWB)."""
    epoch: Iterations
    """Iterations of an epoch, the unit of the annealing below."""
    multi_step_epochs: Epochs
    """Epochs over which the query losses after all steps count (MSL), less and less; 0: none."""
    first_order_epochs: Epochs
    """Epochs of first order at the start (DA); 0: none."""
    meta_rate: Rate
    """Learning rate of Adam in the outer loop, at the start."""
    meta_rate_end: Rate
    """Towards which a cosine anneals it (CA); equal to `meta_rate`: it stays."""
    annealing_epochs: EpochsFromOne
    """Epochs that the cosine takes."""
    clip_value: Clip
    """Entries of the meta-gradient by the network are cut to ± this, those by rates are not; 0: no
    cut."""


def step_weights(steps: int, epoch: int, epochs: int) -> tuple[float, ...]:
    """Return the weight of the query loss after step 0, 1, …, `steps` in `epoch`, counted from 0.

    All steps begin at 1 / steps. Each but the last loses 1 / steps / epochs an epoch, down to
    0.03 / steps; the last one gains what they lose. After `epochs` it alone counts: () says so.
    """
    return all_step_weights(steps, epoch, epochs) if epoch < epochs else ()


def all_step_weights(steps: int, epoch: int, epochs: int) -> tuple[float, ...]:
    """Return the same without an end: after `epochs` steps before the last keep 0.03 / `steps`."""
    each = max(1 / steps - epoch / steps / epochs, 0.03 / steps)
    return (0.0, *[each] * (steps - 1), 1 - (steps - 1) * each)


class MamlPlusPlus(LearnedRates, ClassOutputs):
    """Learns a start and rates for its layers and steps; all that is annealed is a function of the
    iteration."""

    Settings: ClassVar[type] = MamlPlusPlusSettings
    settings: MamlPlusPlusSettings

    def build(self, tasks: Any) -> None:
        """Start the network and the rates, and one Adam for both."""
        s = self.settings
        self.model = self.network(tasks).to(self.device)
        params: Params = dict(self.model.named_parameters())
        self.frozen = frozenset(n for n in params if n.startswith("norms."))
        self.per_step = self.frozen if s.norms_per_step else frozenset()
        for name in self.per_step:
            params[name] = nn.Parameter(torch.stack([params[name].detach()] * s.steps))
        rates: Params = {
            name: torch.full((s.steps, *[1] * p.dim()), s.inner_rate, device=self.device)
            for name, p in params.items()
            if name not in self.frozen
        }
        self.begin(params, rates, s.learn_rates, s.meta_rate)
        self.problem = Problem(self.model, CrossEntropy("mean"), CrossEntropy("mean"))
        # What is annealed away changes what a step costs.
        self.operations_countable = not (s.multi_step_epochs or s.first_order_epochs)
        self.cut = Outer(reduction="mean", clip_value=s.clip_value, clip_norm=0.0)

    def network(self, tasks: Any) -> nn.Module:
        """Make the network with its first weights."""
        channels, _, size = tasks.image_shape
        ways = tasks.settings.train_ways
        return LeakyPoolConv4(channels, self.settings.filters, size, ways, self.generator)

    def inner_loop(self, iteration: int) -> InnerLoop:
        """Return the inner loop of training step `iteration`, counted from 0."""
        s, epoch = self.settings, iteration // self.settings.epoch
        first_order = s.order == "first" or epoch < s.first_order_epochs
        weights = self.query_weights(epoch)
        return InnerLoop(s.steps, s.inner_rate, first_order, self.frozen, weights, self.per_step)

    def query_weights(self, epoch: int) -> tuple[float, ...]:
        """Return the weights of the query losses after the steps in `epoch`; (): the last alone."""
        return step_weights(self.settings.steps, epoch, self.settings.multi_step_epochs)

    def learning_rate(self, iteration: int) -> float:
        """Return the outer rate of training step `iteration`: a cosine, one value an epoch."""
        s = self.settings
        way = min(iteration // s.epoch / s.annealing_epochs, 1.0)
        return s.meta_rate_end + (s.meta_rate - s.meta_rate_end) * (1 + math.cos(math.pi * way)) / 2

    def train_step(self, batch: SupervisedBatch, iteration: int) -> Tensor:
        """Take one Adam step along the meta-gradient by the start and the rates."""
        inner = self.inner_loop(iteration)
        self.optimiser.param_groups[0]["lr"] = self.learning_rate(iteration)
        meta_gradient = engine(self.engine)(self.problem, self.params, batch, inner, self.rates)
        self.move(self.cut(meta_gradient, len(batch)).gradients, meta_gradient.rate_gradients)
        return meta_gradient.loss

    @torch.no_grad()
    def outputs(self, batch: SupervisedBatch) -> dict[str, Tensor]:
        """Classify the query sets before and after each step: `accuracy@k` -> [T, Q, ways]. Batch
        norm sees the query set of a task whole (transductive)."""
        steps, rate = self.settings.steps, self.settings.inner_rate
        inner = InnerLoop(steps, rate, True, self.frozen, per_step=self.per_step)
        by_step = self.outputs_after_steps(self.problem, inner, batch)
        return {f"accuracy@{k}": outputs for k, outputs in enumerate(by_step)}

    @classmethod
    def metrics(cls, settings: MamlPlusPlusSettings) -> tuple[str, ...]:
        """Name the metric after each step."""
        return tuple(f"accuracy@{k}" for k in range(settings.steps + 1))


@dataclass(frozen=True)
class FirstNetworkSettings(MamlPlusPlusSettings):
    """Switches of the code of October and November 2018, which had another network."""

    start: Start
    rectified_input: bool
    """Images go through the activation, and the first convolution's maps do not."""
    multi_step_stays: bool
    """After `multi_step_epochs` the losses before the last keep their least weight."""


class FirstNetworkMamlPlusPlus(MamlPlusPlus):
    """MAML++ as first published: its network normalises after pooling."""

    Settings = FirstNetworkSettings
    settings: FirstNetworkSettings

    def network(self, tasks: Any) -> nn.Module:
        """Make the network with its first weights."""
        s, (channels, _, size) = self.settings, tasks.image_shape
        network = PoolNormConv4(
            channels, s.filters, size, tasks.settings.train_ways, self.generator
        )
        network.rectified_input = s.rectified_input
        start(network, s.start, self.generator)
        return network

    def query_weights(self, epoch: int) -> tuple[float, ...]:
        """Return the weights of the query losses after the steps in `epoch`; (): the last alone."""
        s = self.settings
        if s.multi_step_stays and s.multi_step_epochs:
            return all_step_weights(s.steps, epoch, s.multi_step_epochs)
        return super().query_weights(epoch)


ALGORITHMS = {
    "maml-plus-plus": MamlPlusPlus,
    "maml-plus-plus-first-network": FirstNetworkMamlPlusPlus,
}
