"""MAML and first-order MAML (Finn, Abbeel, Levine 2017, arXiv 1703.03400; code cbfinn/maml)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from harness.errors import HarnessError
from harness.meta_gradient.engines import engine
from harness.meta_gradient.func import adapt
from harness.meta_gradient.losses import CrossEntropy, MeanSquaredError
from harness.meta_gradient.problem import InnerLoop, Params, Problem
from harness.method import Method
from harness.models.batch_statistics import BatchStatistics
from harness.models.mlp import MLP
from harness.models.query_statistics import QueryStatistics, query_outputs
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
    test_batch_norm: QueryStatistics
    """Whose statistics normalise query images at test: all query images of the task together (the
    authors), the support set and that one image, or that one image alone."""


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

    def train_step(self, batch: SupervisedBatch, iteration: int) -> Tensor:
        """Take one Adam step along the meta-gradient of a meta-batch."""
        found = engine(self.engine)(self.problem, self.params, batch, self.inner)
        for name, parameter in self.params.items():
            parameter.grad = found.gradients[name]
        self.optimiser.step()
        return found.loss

    @torch.no_grad()
    def evaluate(self, batch: SupervisedBatch) -> dict[str, Tensor]:
        """Score the query sets before adaptation and after each test step."""
        params = {k: v.detach() for k, v in self.params.items()}
        fixed = {k: v for k, v in params.items() if k in self.inner.frozen}
        start = {k: v for k, v in params.items() if k not in self.inner.frozen}
        shared = {k: v.expand(len(batch), *v.shape) for k, v in start.items()}
        steps = [
            shared,
            *adapt(self.problem, start, fixed, batch.support_x, batch.support_y, self.test_inner),
        ]
        inputs, how = (batch.support_x, batch.query_x), self.settings.test_batch_norm
        scores = {}
        for k, current in enumerate(steps):
            outputs = query_outputs(
                lambda p, x: self.problem.outputs(p | fixed, x), current, *inputs, how
            )
            if self.settings.loss == "mse":
                scores[f"mse@{k}"] = (outputs - batch.query_y).square().flatten(1).mean(1)
            else:
                right = outputs.argmax(-1) == batch.query_y
                scores[f"accuracy@{k}"] = 100 * right.float().mean(1)
        return scores

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
