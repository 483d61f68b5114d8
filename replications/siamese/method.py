"""Siamese networks for one-shot recognition (Koch, Zemel & Salakhutdinov 2015).

Twin networks with the same weights give a vector for each of two drawings; a weighted L1 distance
of the vectors is the evidence that the drawings show one character (section 3.1). The network
learns from pairs only. One-shot recognition is then a comparison with each support drawing.
The authors published no code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.errors import HarnessError
from harness.method import Method
from harness.methods.class_scores import percent, percent_right
from harness.methods.untrained import Untrained
from harness.ranges import Entries, Range
from harness.switch_types import Epochs, Penalty, Rates, Share, ShareBelowOne, Width, Widths
from harness.tasks.batch import SupervisedBatch
from replications.siamese.network import Twin
from replications.siamese.tasks import PairBatch


@dataclass(frozen=True)
class SiameseSettings:
    """Switches of siamese networks. Tuples have one number a layer: convolutions, the
    fully-connected layer and the weights of the distance."""

    filters: Widths
    """Of each convolution."""
    kernels: Annotated[tuple[Annotated[int, Range(1, 105)], ...], Entries(1, 64)]
    """Pixels a side of each convolution's filters."""
    units: Width
    """Length of a vector."""
    learning_rates: Rates
    """Of the first epoch."""
    momenta: Annotated[tuple[ShareBelowOne, ...], Entries(1, 64)]
    """Reached after `momentum_epochs`."""
    l2_penalties: Annotated[tuple[Penalty, ...], Entries(1, 64)]
    """λ: the loss has λ times the sum of squared weights; biases are left out."""
    rate_decay: Share
    """Factor of the learning rates from one epoch to the next."""
    first_momentum: ShareBelowOne
    momentum_epochs: Epochs
    """Epochs over which momentum rises linearly."""
    test_threshold: Literal["validation", "half"]
    """Probability from which a pair is called the same: the one with the best validation accuracy,
    or one half."""


@dataclass(frozen=True)
class NearestSettings:
    """Switches of the nearest neighbour in pixels."""

    distance: Literal["euclidean", "cosine"]


def best_threshold(scores: Tensor, same: Tensor) -> Tensor:
    """Return the threshold on scores [N] above which calling a pair the same is right most often,
    where pairs that are the same [N] bool and pairs that are not count half each: a scalar."""
    order = scores.argsort()
    scores, same = scores[order].double(), same[order].double()
    # Cutting below place k: right are the same pairs from k on and the other pairs before it.
    weight = same / same.sum() - (1 - same) / (1 - same).sum()
    gain = F.pad(weight.flip(0).cumsum(0).flip(0), (0, 1))
    # Between equal scores nothing can be cut.
    edges = F.pad(scores, (1, 1), value=float("inf"))
    edges[0] = -edges[0]
    gain[edges[1:] == edges[:-1]] = -1.0
    cut = int(gain.argmax())
    inner = scores[max(cut - 1, 0)], scores[min(cut, len(scores) - 1)]
    return ((inner[0] + inner[1]) / 2).float()


class Siamese(Method):
    """Trained on pairs; tested on pairs or on one-shot runs. `engine` plays no part."""

    Settings = SiameseSettings
    test_only = frozenset({"test_threshold"})
    settings: SiameseSettings
    # On a CPU products are added up in place, and those of filters do not grow with the batch.
    operations_countable = False

    def build(self, tasks: Any) -> None:
        """Start the network; momentum is zero."""
        s = self.settings
        for name in ("learning_rates", "momenta", "l2_penalties"):
            if len(getattr(s, name)) != len(s.filters) + 2 or len(s.kernels) != len(s.filters):
                raise HarnessError(
                    f"method.{name}: found {len(getattr(s, name))} numbers, {len(s.filters)} "
                    f"filters and {len(s.kernels)} kernels; wanted as many filters as kernels, "
                    f"and two more numbers than that."
                )
        self.epoch = tasks.epoch
        twin = Twin(tasks.image_shape, s.filters, s.kernels, s.units, self.generator)
        weighing = nn.Linear(s.units, 1)
        with torch.no_grad():
            weighing.weight.normal_(0.0, 0.2, generator=self.generator)
            weighing.bias.normal_(0.5, 0.01, generator=self.generator)
        self.model = nn.ModuleDict({"twin": twin, "weighing": weighing}).to(self.device)
        self.layers = [*twin.layers, weighing]
        self.steps = {
            f"{j}.{name}": torch.zeros_like(p)
            for j, layer in enumerate(self.layers)
            for name, p in layer.named_parameters()
        }
        """The last change of each parameter."""
        self.threshold = torch.zeros((), device=self.device)
        """On the evidence: 0 is a probability of one half."""

    @classmethod
    def metrics(cls, settings: Any) -> tuple[str, ...]:
        """Name the metrics of `evaluate`."""
        return ("accuracy", "loss")

    def schedule(self, iteration: int, pairs: int) -> tuple[list[float], list[float]]:
        """Return learning rates and momenta of each layer at a step on `pairs` pairs."""
        s, epoch = self.settings, iteration * pairs // self.epoch
        risen = min(1.0, epoch / s.momentum_epochs) if s.momentum_epochs else 1.0
        rates = [rate * s.rate_decay**epoch for rate in s.learning_rates]
        return rates, [s.first_momentum + risen * (m - s.first_momentum) for m in s.momenta]

    def evidence(self, first: Tensor, second: Tensor) -> Tensor:
        """Compare vectors [..., units] of two sides: the logit of being the same [...]."""
        compared: Tensor = self.model["weighing"]((first - second).abs())
        return compared.squeeze(-1)

    def train_step(self, batch: PairBatch, iteration: int) -> Tensor:
        """Take one step of gradient descent with momentum on cross-entropy and penalties; return
        the mean cross-entropy."""
        both = self.model["twin"](torch.cat([batch.first, batch.second]))
        logits = self.evidence(*both.chunk(2))
        loss = F.binary_cross_entropy_with_logits(logits, batch.same.to(logits.dtype))
        self.model.zero_grad()
        loss.backward()
        rates, momenta = self.schedule(iteration, len(batch))
        with torch.no_grad():
            for j, layer in enumerate(self.layers):
                for name, p in layer.named_parameters():
                    assert p.grad is not None
                    if name == "weight":
                        p.grad.add_(p, alpha=2 * self.settings.l2_penalties[j])
                    p.add_(self.steps[f"{j}.{name}"].mul_(momenta[j]).sub_(p.grad, alpha=rates[j]))
        return loss.detach()

    def compared_runs(self, batch: SupervisedBatch) -> Tensor:
        """Return the evidence of each query with each support drawing: [T, Q, S]."""
        evidence = []
        both = torch.cat([batch.support_x, batch.query_x], 1)
        # A few runs at once: the transforms of the filters cost as much for one as for many.
        for runs in both.split(5):
            vectors = self.model["twin"](runs.flatten(0, 1)).unflatten(0, runs.shape[:2])
            s, q = vectors.split([batch.support_x.shape[1], batch.query_x.shape[1]], 1)
            evidence.append(self.evidence(q.unsqueeze(2), s.unsqueeze(1)))
        return torch.cat(evidence)

    @torch.no_grad()
    def evaluate(self, batch: PairBatch | SupervisedBatch) -> dict[str, Tensor]:
        """Score T tasks: `accuracy` [T] in percent, of one pair or of a run's trials, and `loss`
        [T], the mean cross-entropy of a task's pairs (of a run: each query with each support)."""
        if isinstance(batch, SupervisedBatch):
            logits = self.compared_runs(batch)
            loss = F.binary_cross_entropy_with_logits(
                logits, same_in_run(batch).to(logits.dtype), reduction="none"
            )
            return {"accuracy": percent_right(logits, batch.query_y), "loss": loss.mean((1, 2))}
        vectors = self.model["twin"](torch.cat([batch.first, batch.second]))
        logits = self.evidence(*vectors.chunk(2))
        right = (logits >= self.threshold) == batch.same
        same = batch.same.to(logits.dtype)
        loss = F.binary_cross_entropy_with_logits(logits, same, reduction="none")
        return {"accuracy": 100 * right.float(), "loss": loss}

    @torch.no_grad()
    def finalise(self, validation: SupervisedBatch) -> None:
        """Choose the threshold by all pairs of query and support in the validation runs."""
        if self.settings.test_threshold == "validation":
            logits = self.compared_runs(validation)
            self.threshold = best_threshold(logits.flatten(), same_in_run(validation).flatten())

    def weights(self) -> dict[str, Tensor]:
        """Return copies of the weights, and the threshold."""
        state = {k: v.clone() for k, v in self.model.state_dict().items()}
        return {**state, "threshold": self.threshold.clone()}

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Take weights given by `weights()`."""
        self.threshold = weights["threshold"].clone()
        self.model.load_state_dict({k: v for k, v in weights.items() if k != "threshold"})

    def training_state(self) -> dict[str, Any]:
        """Return the last changes, which momentum carries on."""
        return {"steps": dict(self.steps)}

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take what `training_state()` gave."""
        for name, step in state["steps"].items():
            self.steps[name].copy_(step)


def same_in_run(batch: SupervisedBatch) -> Tensor:
    """Return which pairs of a query and a support drawing show one class: [T, Q, S] bool."""
    return batch.query_y.unsqueeze(2) == batch.support_y.unsqueeze(1)


class NearestPixels(Untrained):
    """The paper's baseline: the support drawing that is nearest in pixels. Nothing is trained."""

    Settings = NearestSettings
    settings: NearestSettings

    @classmethod
    def metrics(cls, settings: Any) -> tuple[str, ...]:
        """Name the metric of `evaluate`."""
        return ("accuracy",)

    def train_step(self, batch: PairBatch, iteration: int) -> Tensor:
        """Return zero: there is nothing to train."""
        return batch.first.new_zeros(())

    def evaluate(self, batch: SupervisedBatch) -> dict[str, Tensor]:
        """Score T runs: `accuracy` [T] in percent."""
        support, query = batch.support_x.flatten(2), batch.query_x.flatten(2)
        if self.settings.distance == "cosine":
            support, query = F.normalize(support, dim=-1), F.normalize(query, dim=-1)
        nearest = torch.cdist(query, support).argmin(-1)
        return {"accuracy": percent(nearest == batch.query_y)}


ALGORITHMS = {"siamese": Siamese, "nearest-pixels": NearestPixels}
