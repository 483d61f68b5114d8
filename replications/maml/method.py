"""MAML and first-order MAML (Finn, Abbeel, Levine 2017, arXiv 1703.03400; code cbfinn/maml)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import vmap

from harness.errors import HarnessError
from harness.meta_gradient.engines import engine
from harness.meta_gradient.func import adapt
from harness.meta_gradient.losses import CrossEntropy, MeanSquaredError
from harness.meta_gradient.problem import InnerLoop, Params, Problem
from harness.method import Method
from harness.models.batch_statistics import BatchStatistics, norms
from harness.models.mlp import MLP
from harness.models.query_statistics import (
    Outputs,
    QueryStatistics,
    RunningStatistics,
    query_outputs,
)
from harness.models.strided_conv4 import StridedConv4
from harness.tasks.batch import SupervisedBatch
from replications.maml.baselines import MultiTask, Pretrained


@dataclass(frozen=True)
class MamlSettings:
    """Switches of MAML. Those that start with `test_` do not touch training."""

    network: Literal["strided-conv4", "mlp"]
    hidden: tuple[int, ...]
    """Filters of the four convolutions (all equal), or units of the hidden layers."""
    batch_norm: bool
    """MLP only: normalise hidden layers (Omniglot without convolutions) or not (sinusoids)."""
    loss: Literal["mse", "cross-entropy"]
    order: Literal["second", "first"]
    inner_steps: int
    inner_rate: float
    inner_loss: Literal["mean", "sum-over-classes"]
    """The authors divide the summed cross-entropy by the shots only, which makes their inner step
    `ways` times the step of a mean loss (utils.py, `xent`); the outer loss likewise."""
    meta_rate: float
    """Learning rate of Adam in the outer loop."""
    test_steps: int
    """Scores are reported after 0, 1, …, test_steps steps."""
    test_batch_norm: Literal[QueryStatistics, "running", "running-queries"]
    """Whose statistics normalise query images at test: all query images of the task together (the
    authors), the support set, that set and one image, or one image alone. `running`: running ones
    throughout, while adapting too (`model.eval()`); `running-queries`: for query images alone. MAML
    keeps none: they are estimated after training, on `RUNNING_TASKS` training tasks (validation
    during training has none yet and normalises query images together)."""


RUNNING_TASKS = 256


class MAML(Method):
    """Learns a start from which `inner_steps` gradient steps on a support set do well."""

    Settings = MamlSettings
    capturable = True
    settings: MamlSettings

    def build(self, tasks: Any) -> None:
        """Start the network, and say what adapts and by which loss."""
        s = self.settings
        classes, images = s.loss == "cross-entropy", hasattr(tasks, "image_shape")
        if classes != images:
            wanted = "cross-entropy" if images else "mse"
            raise HarnessError(f"method.loss: found {s.loss!r}, wanted {wanted!r} on these tasks.")
        self.model = network(s, tasks, self.generator).to(self.device)
        self.params: Params = dict(self.model.named_parameters())
        self.optimiser = torch.optim.Adam(
            self.params.values(), lr=s.meta_rate, fused=True, capturable=self.device.type == "cuda"
        )
        loss = CrossEntropy(s.inner_loss) if classes else MeanSquaredError()
        self.problem = Problem(self.model, loss, loss)
        # The authors keep batch norm's offset out of the weights that adapt (maml.py, utils.py).
        frozen = frozenset(n for n in self.params if is_norm(self.model, n))
        self.inner = InnerLoop(s.inner_steps, s.inner_rate, s.order == "first", frozen)
        self.test_inner = InnerLoop(s.test_steps, s.inner_rate, True, frozen)
        self.running = RunningStatistics(self.model)
        # Without batch norm there are no statistics, and nothing to look at.
        if s.test_batch_norm.startswith("running") and norms(self.model):
            self.calibration_tasks = RUNNING_TASKS

    def train_step(self, batch: SupervisedBatch, iteration: int) -> Tensor:
        """Take one Adam step along the meta-gradient of a meta-batch."""
        found = engine(self.engine)(self.problem, self.params, batch, self.inner)
        for name, parameter in self.params.items():
            parameter.grad = found.gradients[name]
        self.optimiser.step()
        return found.loss

    @torch.no_grad()
    def calibrate(self, batch: SupervisedBatch) -> None:
        """Add the forward passes of a training step to the running statistics."""
        outputs, steps = self._adapted(batch, self.inner)
        for k, params in enumerate(steps):
            x = batch.support_x if k < self.inner.steps else batch.query_x
            self.running.add(outputs, params, x)

    @torch.no_grad()
    def evaluate(self, batch: SupervisedBatch) -> dict[str, Tensor]:
        """Score the query sets before adaptation and after each test step."""
        how, scores = self.settings.test_batch_norm, {}
        with self.running.used() if how == "running" else nullcontext():
            outputs, steps = self._adapted(batch, self.test_inner)
            for k, params in enumerate(steps):
                found = self._query_outputs(outputs, params, batch)
                if self.settings.loss == "mse":
                    scores[f"mse@{k}"] = (found - batch.query_y).square().flatten(1).mean(1)
                else:
                    right = found.argmax(-1) == batch.query_y
                    scores[f"accuracy@{k}"] = 100 * right.float().mean(1)
        return scores

    def _adapted(
        self, batch: SupervisedBatch, inner: InnerLoop
    ) -> tuple[Outputs, Iterator[Params]]:
        """Give what maps a task's adapted parameters and inputs to outputs, and those parameters of
        all tasks (leading axis) before adaptation and after each step."""
        params = {k: v.detach() for k, v in self.params.items()}
        fixed = {k: v for k, v in params.items() if k in inner.frozen}
        start = {k: v for k, v in params.items() if k not in inner.frozen}
        shared = {k: v.expand(len(batch), *v.shape) for k, v in start.items()}
        steps = adapt(self.problem, start, fixed, batch.support_x, batch.support_y, inner)
        return lambda p, x: self.problem.outputs(p | fixed, x), chain([shared], steps)

    def _query_outputs(self, outputs: Outputs, params: Params, batch: SupervisedBatch) -> Tensor:
        how = self.settings.test_batch_norm
        if how == "running" or how == "running-queries":
            with self.running.used():
                return vmap(outputs)(params, batch.query_x)
        return query_outputs(self.model, outputs, params, batch.support_x, batch.query_x, how)

    def weights(self) -> dict[str, Tensor]:
        """Give the start parameters."""
        return {k: v.detach() for k, v in self.params.items()}

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Take start parameters."""
        self.model.load_state_dict(weights)

    def training_state(self) -> dict[str, Any]:
        """Give Adam's state."""
        return self.optimiser.state_dict()

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take Adam's state."""
        self.optimiser.load_state_dict(state)

    @classmethod
    def metrics(cls, settings: MamlSettings) -> tuple[str, ...]:
        """Name the metric after each test step."""
        name = "mse" if settings.loss == "mse" else "accuracy"
        return tuple(f"{name}@{k}" for k in range(settings.test_steps + 1))


def network(s: MamlSettings, tasks: Any, generator: torch.Generator) -> nn.Module:
    """Build the network for the tasks' shapes."""
    if s.loss == "mse":
        inputs = 3 if tasks.settings.task_in_input else 1
        return MLP(inputs, s.hidden, 1, s.batch_norm, generator)
    channels, height, width = tasks.image_shape
    ways = tasks.settings.train_ways
    if s.network == "mlp":
        return MLP(channels * height * width, s.hidden, ways, s.batch_norm, generator)
    return StridedConv4(channels, s.hidden[0], ways, generator)


def is_norm(model: nn.Module, parameter: str) -> bool:
    """Say whether a parameter belongs to a batch-norm layer."""
    return isinstance(model.get_submodule(parameter.rpartition(".")[0]), BatchStatistics)


ALGORITHMS = {"maml": MAML, "pretrained": Pretrained, "multi-task": MultiTask}
