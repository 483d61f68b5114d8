"""The sinusoid baselines of MAML's Table 2: networks trained without an inner loop, fine-tuned.

`Pretrained` (appendix C and section 5.1): one network on all tasks; with the task's amplitude and
phase in its input it is the oracle. `MultiTask` (appendix C): 500 networks, each trained on one
task, averaged in parameter space. Both are fine-tuned at test with a step size tuned on validation
tasks ("an automatically tuned step size", section 5.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional as F

from harness.errors import HarnessError
from harness.meta_gradient.func import adapt
from harness.meta_gradient.problem import InnerLoop, Problem
from harness.method import Method
from harness.models.mlp import MLP
from harness.ranges import Range
from harness.switch_types import Examples, Hidden, Penalty, Rate, Rates, Steps
from harness.tasks.batch import SupervisedBatch


@dataclass(frozen=True)
class PretrainedSettings:
    """Switches of pre-training on all tasks. `test_` switches do not touch training."""

    hidden: Hidden
    learning_rate: Rate
    test_rates: Rates
    """Fine-tuning step sizes to choose from, on validation tasks."""
    test_tuned_at_step: Steps
    """The step size with the lowest mean validation MSE after this many steps is taken."""
    test_steps: Steps


class FineTuned(Method):
    """What both baselines share: fine-tuning of one start, with a tuned step size."""

    test_only = frozenset({"test_rates", "test_tuned_at_step", "test_steps"})

    settings: Any

    def build(self, tasks: Any) -> None:
        """Start the network that is fine-tuned."""
        s = self.settings
        if s.test_tuned_at_step > s.test_steps:
            raise HarnessError(
                f"method.test_tuned_at_step: found {s.test_tuned_at_step}, wanted at most "
                f"method.test_steps = {s.test_steps}."
            )
        inputs = 3 if tasks.settings.task_in_input else 1
        self.model = MLP(inputs, self.settings.hidden, 1, False, self.generator).to(self.device)
        self.rate = torch.tensor(self.settings.test_rates[0], device=self.device)

    @torch.no_grad()
    def evaluate(self, batch: SupervisedBatch) -> dict[str, Tensor]:
        """Return the MSE on the query points before and after each fine-tuning step."""
        problem = Problem(self.model, F.mse_loss, F.mse_loss)
        start = self.weights()
        rate = start.pop("fine_tuning_rate").item()
        inner = InnerLoop(self.settings.test_steps, rate, True)
        shared = {k: v.expand(len(batch), *v.shape) for k, v in start.items()}
        path = adapt(problem, start, {}, batch.support_x, batch.support_y, inner)
        scores = {}
        for k, current in enumerate([shared, *path]):
            outputs = vmap(problem.outputs)(current, batch.query_x)
            scores[f"mse@{k}"] = (outputs - batch.query_y).square().flatten(1).mean(1)
        return scores

    def finalise(self, validation: SupervisedBatch) -> None:
        """Choose the fine-tuning step size on validation tasks."""
        watched = f"mse@{self.settings.test_tuned_at_step}"
        scored_rates = []
        for rate in self.settings.test_rates:
            self.rate.fill_(rate)
            mean = self.evaluate(validation)[watched].double().mean().item()
            scored_rates.append((mean if mean == mean else float("inf"), rate))
        self.rate.fill_(min(scored_rates)[1])

    def weights(self) -> dict[str, Tensor]:
        """Return the start of fine-tuning, and its step size."""
        start = {k: v.detach() for k, v in self.model.named_parameters()}
        return start | {"fine_tuning_rate": self.rate}

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Take a start and a step size."""
        own = dict(weights)
        self.rate.copy_(own.pop("fine_tuning_rate"))
        self.model.load_state_dict(own)

    @classmethod
    def metrics(cls, settings: Any) -> tuple[str, ...]:
        """Name the metric after each fine-tuning step."""
        return tuple(f"mse@{k}" for k in range(settings.test_steps + 1))


class Pretrained(FineTuned):
    """One network regressing the support points of all tasks (authors' `pretrain_op`)."""

    Settings = PretrainedSettings

    def build(self, tasks: Any) -> None:
        """Start the network and its optimiser."""
        super().build(tasks)
        parameters = self.model.parameters()
        self.optimiser = torch.optim.Adam(parameters, lr=self.settings.learning_rate, fused=True)

    def train_step(self, batch: SupervisedBatch, iteration: int) -> Tensor:
        """Take one Adam step on the MSE over the points of all tasks."""
        x, y = batch.support_x.flatten(0, 1), batch.support_y.flatten(0, 1)
        loss = F.mse_loss(self.model(x), y)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.detach()

    def training_state(self) -> dict[str, Any]:
        """Return Adam's state."""
        return self.optimiser.state_dict()

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take Adam's state."""
        self.optimiser.load_state_dict(state)


@dataclass(frozen=True)
class MultiTaskSettings(PretrainedSettings):
    """Switches of averaging networks that were each trained on one task."""

    steps_per_network: Annotated[int, Range(1, 1_000_000)]
    """Adam steps of each network; a meta-batch of networks is trained side by side."""
    minibatch: Examples
    """Points of its task a network sees in a step, cut in turn from the task's support set."""
    regularisation: Literal["none", "l2", "to-mean"]
    """Pull to zero, or to the mean of the networks trained so far (appendix C)."""
    strength: Penalty


class MultiTask(FineTuned):
    """Averages, in parameter space, networks that each know one task (appendix C)."""

    Settings: ClassVar[type] = MultiTaskSettings

    def build(self, tasks: Any) -> None:
        """Start with no network trained."""
        super().build(tasks)
        self.networks: dict[str, Tensor] = {}
        self.total = {k: torch.zeros_like(v) for k, v in self.model.named_parameters()}
        self.trained = 0
        self.optimiser: torch.optim.Optimizer | None = None

    def first_task(self, iteration: int, meta_batch: int) -> int:
        """Stay on one task for each network until it is trained."""
        return iteration // int(self.settings.steps_per_network) * meta_batch

    def train_step(self, batch: SupervisedBatch, iteration: int) -> Tensor:
        """Take one Adam step of the networks at hand, each on its own task."""
        s, step = self.settings, iteration % self.settings.steps_per_network
        if step == 0:
            self._start_networks(len(batch))
        points = torch.arange(s.minibatch, device=self.device) + step * s.minibatch
        points = points % batch.support_x.shape[1]
        outputs = vmap(lambda p, x: functional_call(self.model, p, (x,)))(
            self.networks, batch.support_x[:, points]
        )
        losses = (outputs - batch.support_y[:, points]).square().mean((1, 2))
        assert self.optimiser is not None
        self.optimiser.zero_grad()
        (losses.sum() + s.strength * self._penalty()).backward()
        self.optimiser.step()
        self._after_step(batch, step + 1)
        if step == s.steps_per_network - 1:
            self._average_in()
        mean: Tensor = losses.detach().mean()
        return mean

    def _penalty(self) -> Tensor:
        kind = self.settings.regularisation
        if kind == "none" or (kind == "to-mean" and self.trained == 0):
            return torch.zeros((), device=self.device)
        pull = {k: 0.0 if kind == "l2" else v / self.trained for k, v in self.total.items()}
        terms = [(v - pull[k]).square().sum() for k, v in self.networks.items()]
        return torch.stack(terms).sum()

    def _start_networks(self, count: int) -> None:
        fresh = []
        for _ in range(count):  # once in `steps_per_network` iterations
            fresh.append(dict(self._new_network().named_parameters()))
        self._set_networks({k: torch.stack([f[k] for f in fresh]) for k in fresh[0]})

    def _new_network(self) -> nn.Module:
        first = self.model.get_parameter("layers.1.weight").shape[1]
        return MLP(first, self.settings.hidden, 1, False, self.generator)

    def _set_networks(self, values: dict[str, Tensor]) -> None:
        self.networks = {k: v.detach().to(self.device).requires_grad_() for k, v in values.items()}
        self.optimiser = torch.optim.Adam(
            self.networks.values(), lr=self.settings.learning_rate, fused=True
        )

    def _after_step(self, batch: SupervisedBatch, done: int) -> None:
        """Look at the networks after `done` of their steps."""

    def _average_in(self) -> None:
        for k, v in self.networks.items():
            self.total[k] += v.detach().sum(0)
        self.trained += len(next(iter(self.networks.values())))
        self.model.load_state_dict({k: v / self.trained for k, v in self.total.items()})

    def training_state(self) -> dict[str, Any]:
        """Return the networks at hand, their optimiser, the sum over trained ones, the
        generator."""
        return {
            "networks": {k: v.detach() for k, v in self.networks.items()},
            "optimiser": self.optimiser.state_dict() if self.optimiser else {},
            "total": self.total,
            "trained": self.trained,
            "generator": self.generator.get_state(),
        }

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take what `training_state()` gave."""
        if state["networks"]:
            self._set_networks(state["networks"])
            assert self.optimiser is not None
            self.optimiser.load_state_dict(state["optimiser"])
        self.total, self.trained = state["total"], state["trained"]
        self.generator.set_state(state["generator"])
