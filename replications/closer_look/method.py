"""Baseline and Baseline++ (Chen, Liu, Kira, Wang & Huang 2019, arXiv 1904.04232).

A network is trained as a plain classifier of all base classes; at test its features stay as they
are and a new classifier is fitted to the support set: linear (Baseline) or by cosine (Baseline++).
With the nearest support example instead of a fitted classifier it is the baseline of Ravi and
Larochelle (2017). Authors' code: github.com/wyharveychen/CloserLookFewShot,
`methods/baselinetrain.py` and `methods/baselinefinetune.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.errors import HarnessError
from harness.method import Method
from harness.methods.class_scores import percent
from harness.models.image_shape import check_pools
from harness.models.pooled_conv4 import PooledConv4
from harness.ranges import Range
from harness.switch_types import (
    Epochs,
    Examples,
    Factor,
    Penalty,
    Rate,
    Share,
    ShareBelowOne,
    Width,
)
from harness.tasks.batch import SupervisedBatch
from replications.closer_look.heads import Head, HeadSGD, fit_heads, head_scores, nearest, new_head
from replications.closer_look.tasks import LabelledBatch


@dataclass(frozen=True)
class BaselineSettings:
    """Switches of both baselines. `test_` switches do not touch training."""

    classifier: Literal["linear", "cosine"]
    """What the features are trained under."""
    outputs: Annotated[int, Range(1, 100_000)]
    """Outputs of the classifier in training; those above the number of classes stay unused."""
    cosine_scale: Factor
    """Factor of the cosine before the softmax, in training and at test."""
    filters: Width
    learning_rate: Rate
    """Adam's rate; its other settings are torch's defaults."""
    test_head: Literal["linear", "cosine", "nearest-neighbour"]
    """What is fitted to the support set; `nearest-neighbour`: by cosine, nothing is fitted."""
    test_epochs: Epochs
    """Passes over the support set."""
    test_batch: Examples
    """Support examples a step."""
    test_rate: Rate
    test_momentum: ShareBelowOne
    test_dampening: Share
    test_weight_decay: Penalty


class Baseline(Method):
    """Features of a plain classifier; `engine` plays no part."""

    Settings = BaselineSettings
    test_only = frozenset(
        {
            "test_head",
            "test_epochs",
            "test_batch",
            "test_rate",
            "test_momentum",
            "test_dampening",
            "test_weight_decay",
        }
    )
    settings: BaselineSettings

    def build(self, tasks: Any) -> None:
        """Start the network, the classifier of the base classes and Adam."""
        s, (channels, size, _) = self.settings, tasks.image_shape
        if s.outputs < tasks.ways("train"):
            raise HarnessError(
                f"method.outputs: found {s.outputs}, wanted at least {tasks.ways('train')}, one "
                "for each training class."
            )
        check_pools(size, 4)
        encoder = PooledConv4(channels, s.filters, "one", self.generator)
        for block in encoder.blocks:
            # The authors' `init_layer`; biases of the convolutions are torch's own.
            sd = math.sqrt(2 / (9 * s.filters))
            weight = block.get_parameter("convolution.weight")
            nn.init.normal_(weight, 0, sd, generator=self.generator)
        self.features = s.filters * (size // 16) ** 2
        self.encoder = encoder.to(self.device)
        head = new_head(s.classifier, s.outputs, self.features, self.generator)
        if "bias" in head:
            head["bias"].zero_()
        self.head: Head = {k: nn.Parameter(v.to(self.device)) for k, v in head.items()}
        every = [*self.encoder.parameters(), *self.head.values()]
        self.optimiser = torch.optim.Adam(every, lr=s.learning_rate)

    @classmethod
    def metrics(cls, settings: Any) -> tuple[str, ...]:
        """Name the metric of `evaluate`."""
        return ("accuracy",)

    def train_step(self, batch: LabelledBatch, iteration: int) -> Tensor:
        """Take one Adam step on the mean cross-entropy of a mini-batch of labelled images."""
        self.encoder.train()
        logits = head_scores(self.head, self.encoder(batch.x), self.settings.cosine_scale)
        loss = F.cross_entropy(logits, batch.y)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.detach()

    @torch.no_grad()
    def evaluate(self, batch: SupervisedBatch) -> dict[str, Tensor]:
        """Return `accuracy` [T] in percent, with running batch-norm statistics.

        Heads of all tasks are fitted at once. They start from the same weights and take the support
        examples in the same random orders, whichever tasks come together.
        """
        s = self.settings
        self.encoder.eval()
        images = torch.cat([batch.support_x, batch.query_x], 1)
        # Embedded task by task: little memory, and the same bits however many come at once.
        z = torch.stack([self.encoder(task) for task in images])
        support, query = z[:, : batch.support_y.shape[1]], z[:, batch.support_y.shape[1] :]
        if s.test_head == "nearest-neighbour":
            predicted = nearest(support, batch.support_y, query)
        else:
            same = torch.Generator().manual_seed(0)
            ways = int(batch.support_y.max()) + 1
            start = new_head(s.test_head, ways, self.features, same)
            start = {k: v.to(z) for k, v in start.items()}
            how = self._sgd()
            heads = fit_heads(start, support, batch.support_y, how, s.cosine_scale, same)
            predicted = head_scores(heads, query, s.cosine_scale).argmax(-1)
        return {"accuracy": percent(predicted == batch.query_y)}

    def _sgd(self) -> HeadSGD:
        s = self.settings
        return HeadSGD(
            epochs=s.test_epochs,
            batch=s.test_batch,
            rate=s.test_rate,
            momentum=s.test_momentum,
            dampening=s.test_dampening,
            weight_decay=s.test_weight_decay,
        )

    def weights(self) -> dict[str, Tensor]:
        """Return copies of features, running statistics and the classifier of the base classes."""
        state = {f"encoder.{k}": v for k, v in self.encoder.state_dict().items()}
        state |= {f"head.{k}": v.detach() for k, v in self.head.items()}
        return {k: v.clone(memory_format=torch.contiguous_format) for k, v in state.items()}

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Take what `weights()` gave."""
        own = {
            k.removeprefix("encoder."): v for k, v in weights.items() if k.startswith("encoder.")
        }
        self.encoder.load_state_dict(own)
        with torch.no_grad():
            for name, value in self.head.items():
                value.copy_(weights[f"head.{name}"])

    def training_state(self) -> dict[str, Any]:
        """Return Adam's state."""
        return {"optimiser": self.optimiser.state_dict()}

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take what `training_state()` gave."""
        self.optimiser.load_state_dict(state["optimiser"])


ALGORITHMS = {"baseline": Baseline}
