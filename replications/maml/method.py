"""MAML and first-order MAML (Finn, Abbeel, Levine 2017, arXiv 1703.03400; code cbfinn/maml)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from harness.errors import HarnessError
from harness.meta_gradient.losses import CrossEntropy, MeanSquaredError
from harness.meta_gradient.problem import InnerLoop, Problem
from harness.methods.class_scores import percent_right
from harness.methods.learned_start import (
    LearnedStart,
    clip_of_the_code,
    norm_parameters,
)
from harness.models.max_pool_conv4 import MaxPoolConv4
from harness.models.mlp import MLP
from harness.models.query_statistics import WholeTestStatistics
from harness.models.strided_conv4 import StridedConv4
from harness.switch_types import Clip, Hidden, Rate, Steps
from harness.tasks.batch import SupervisedBatch
from replications.maml.baselines import MultiTask, Pretrained
from replications.maml.to_criterion import ToCriterion


@dataclass(frozen=True)
class MamlSettings:
    """Switches of MAML. Those that start with `test_` do not touch training."""

    network: Literal["strided-conv4", "max-pool-conv4", "mlp"]
    hidden: Hidden
    """Filters of the four convolutions (all equal), or units of the hidden layers."""
    batch_norm: bool
    """Of the MLP: normalise hidden layers (Omniglot without convolutions) or not (sinusoids).
    Convolutions are always normalised."""
    loss: Literal["mse", "cross-entropy"]
    order: Literal["second", "first"]
    inner_steps: Steps
    inner_rate: Rate
    inner_loss: Literal["mean", "sum-over-classes"]
    """The authors divide the summed cross-entropy by the shots only, which makes their inner step
    `ways` times the step of a mean loss (utils.py, `xent`); the outer loss likewise."""
    meta_rate: Rate
    """Learning rate of Adam in the outer loop."""
    test_steps: Steps
    """Scores are reported after 0, 1, …, test_steps steps."""
    test_batch_norm: WholeTestStatistics
    """Whose statistics normalise query images at test: all query images of the task together (the
    authors), the support set, that set and one image, or one image alone. `running`: running ones
    throughout, while adapting too (`model.eval()`); `running-queries`: for query images alone. MAML
    keeps none: they are estimated after training, on training tasks (validation during training has
    none yet and normalises query images together)."""


@dataclass(frozen=True)
class ClippedSettings(MamlSettings):
    """The same for mini-ImageNet, where the authors clip."""

    outer_clip: Clip
    """Entries of the meta-gradient, in the scale of the authors' loss, are cut to ± this (maml.py:
    10, on mini-ImageNet alone)."""


class MAML(LearnedStart):
    """Learns a start from which `inner_steps` gradient steps on a support set do well."""

    Settings: ClassVar[type] = MamlSettings
    test_only = frozenset({"test_steps", "test_batch_norm"})
    settings: MamlSettings

    def build(self, tasks: Any) -> None:
        """Start the network, and say what adapts and by which loss."""
        s = self.settings
        classes = hasattr(tasks, "image_shape")
        refuse_idle(s, classes)
        model = network(s, tasks, self.generator).to(self.device)
        loss = CrossEntropy(s.inner_loss) if classes else MeanSquaredError()
        # The authors keep batch norm's offset out of the weights that adapt (maml.py, utils.py).
        frozen = norm_parameters(model)
        inner = InnerLoop(s.inner_steps, s.inner_rate, s.order == "first", frozen)
        test_inner = InnerLoop(s.test_steps, s.inner_rate, True, frozen)
        self.begin(Problem(model, loss, loss), s.meta_rate, inner, test_inner)
        self.calibrate_for(s.test_batch_norm)
        self.check_alone(s.test_batch_norm, tasks)

    @torch.no_grad()
    def evaluate(self, batch: SupervisedBatch) -> dict[str, Tensor]:
        """Score the query sets before adaptation and after each test step."""
        by_step = self.outputs_at_test(batch, self.settings.test_batch_norm)
        if self.settings.loss == "mse":
            errors = ((outputs - batch.query_y).square() for outputs in by_step)
            return {f"mse@{k}": e.flatten(1).mean(1) for k, e in enumerate(errors)}
        return {f"accuracy@{k}": percent_right(o, batch.query_y) for k, o in enumerate(by_step)}

    @classmethod
    def metrics(cls, settings: MamlSettings) -> tuple[str, ...]:
        """Name the metric after each test step."""
        name = "mse" if settings.loss == "mse" else "accuracy"
        return tuple(f"{name}@{k}" for k in range(settings.test_steps + 1))


class ClippedMAML(MAML):
    """MAML with entries of the meta-gradient cut to ± `outer_clip`."""

    Settings = ClippedSettings
    settings: ClippedSettings

    def build(self, tasks: Any) -> None:
        """The same, and say where to cut."""
        super().build(tasks)
        self.outer = clip_of_the_code(self.settings.outer_clip, self.settings.inner_loss, tasks)


def refuse_idle(s: MamlSettings, images: bool) -> None:
    """Refuse switches that these tasks or this network do not use: on record they would seem to
    act."""
    loss = "cross-entropy" if images else "mse"
    if s.loss != loss:
        raise HarnessError(f"method.loss: found {s.loss!r}, wanted {loss!r} on these tasks.")
    if not images and (s.network, s.inner_loss) != ("mlp", "mean"):
        raise HarnessError(
            f"method.network and method.inner_loss: found {s.network!r} and {s.inner_loss!r}, "
            "wanted 'mlp' and 'mean' on these tasks."
        )
    if s.network != "mlp" and not (s.batch_norm and len(s.hidden) == 4 and len(set(s.hidden)) == 1):
        raise HarnessError(
            f"method.batch_norm and method.hidden: found {s.batch_norm} and {list(s.hidden)}, "
            f"wanted true and four equal numbers for {s.network!r}."
        )


def network(s: MamlSettings, tasks: Any, generator: torch.Generator) -> nn.Module:
    """Build the network for the tasks' shapes."""
    if s.loss == "mse":
        inputs = 3 if tasks.settings.task_in_input else 1
        return MLP(inputs, s.hidden, 1, s.batch_norm, generator)
    channels, height, width = tasks.image_shape
    ways = tasks.settings.train_ways
    if s.network == "mlp":
        return MLP(channels * height * width, s.hidden, ways, s.batch_norm, generator)
    if s.network == "max-pool-conv4":
        return MaxPoolConv4(channels, s.hidden[0], height, ways, generator)
    return StridedConv4(channels, s.hidden[0], ways, generator)


ALGORITHMS = {
    "maml": MAML,
    "maml-clipped": ClippedMAML,
    "pretrained": Pretrained,
    "multi-task": MultiTask,
    "multi-task-to-criterion": ToCriterion,
}
