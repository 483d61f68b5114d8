"""Matching Networks (Vinyals, Blundell, Lillicrap, Kavukcuoglu & Wierstra 2016, arXiv 1606.04080).

A query's label is a mean of the support set's labels, weighted by attention: a softmax over the
similarity of the query to every support example (equation 1 and section 2.1.1). With full context
embeddings both sides of the similarity see the whole support set (section 2.1.2, appendix A). The
authors published no code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.errors import HarnessError
from harness.methods.class_scores import scores_of_log_probabilities
from harness.methods.one_network import OneNetwork, adam
from harness.methods.untrained import Untrained
from harness.models.image_shape import check_pools
from harness.models.pooled_conv4 import PooledConv4
from harness.switch_types import Factor, Iterations, Rate, Steps, Width
from harness.tasks.batch import SupervisedBatch
from replications.matching.full_context import FullContext

Similarity = Literal["cosine", "squared-euclidean", "projection"]


@dataclass(frozen=True)
class MatchingSettings:
    """Switches of Matching Networks."""

    similarity: Similarity
    """`squared-euclidean` is minus the squared distance (Snell et al. 2017, and re-runs);
    `projection` normalises the support alone: the query's part in its direction (a port)."""
    similarity_scale: Factor
    """Factor before the softmax; 1 in the paper, so cosine logits lie in [-1, 1]."""
    full_context: bool
    read_steps: Steps
    """Steps of the query LSTM (the paper's K), with `full_context` only."""
    filters: Width
    learning_rate: Rate
    """Adam's rate at the start; its other settings are torch's defaults."""
    halve_every: Iterations
    """Training steps after which the rate is halved, again and again."""
    batch_norm_scale: Literal["one", "uniform"]
    batch_norm_test: Literal["running", "transductive"]
    """Batch-norm statistics at validation and test: running ones, or those of the task's support
    and query images together."""


@dataclass(frozen=True)
class PixelSettings:
    """Switches of the baseline that compares pixels."""

    similarity: Similarity
    similarity_scale: Factor


def similarities(queries: Tensor, support: Tensor, kind: str) -> Tensor:
    """Compare each of queries [T, Q, D] with each of support [T, S, D]: [T, Q, S]."""
    if kind == "cosine":
        return F.normalize(queries, dim=-1) @ F.normalize(support, dim=-1).transpose(1, 2)
    if kind == "projection":
        return queries @ F.normalize(support, dim=-1).transpose(1, 2)
    # Differences before squares: 2 q·s - |s|² - |q|² would lose digits to cancellation.
    return -(queries.unsqueeze(2) - support.unsqueeze(1)).square().sum(-1)


def log_probabilities(compared: Tensor, support_y: Tensor, ways: int) -> Tensor:
    """Return ln of the label weights from similarities [T, Q, S] and labels [T, S]: [T, Q, ways].

    Equation 1 in logarithms: the softmax over S is summed over the examples of each class.
    """
    member = F.one_hot(support_y, ways).transpose(1, 2).bool().unsqueeze(1)
    attention = compared.log_softmax(-1).unsqueeze(2)
    return attention.masked_fill(~member, -torch.inf).logsumexp(-1)


class Matching(OneNetwork):
    """One encoder, attention over the support set, and no adaptation: `engine` plays no part."""

    Settings = MatchingSettings
    capturable = True
    settings: MatchingSettings
    model: nn.ModuleDict

    def build(self, tasks: Any) -> None:
        """Start the encoder, the full context embeddings if asked for, and the optimiser."""
        s, (channels, height, width) = self.settings, tasks.image_shape
        check_pools(height, 4)
        encoder = PooledConv4(channels, s.filters, s.batch_norm_scale, self.generator)
        self.model = nn.ModuleDict({"encoder": encoder})
        if s.full_context:
            if s.read_steps < 1:
                raise HarnessError(
                    f"method.read_steps: found {s.read_steps}, wanted at least 1 with "
                    f"full_context; set one, or method.full_context=false."
                )
            size = s.filters * (height // 16) * (width // 16)
            self.model["context"] = FullContext(size, s.read_steps, self.generator)
        self.model.to(self.device)
        self.optimiser = adam(self.model.parameters(), s.learning_rate, self.device)

    @classmethod
    def metrics(cls, settings: Any) -> tuple[str, ...]:
        """Name the metrics of `evaluate`."""
        return ("accuracy", "loss")

    def learning_rate(self, iteration: int) -> float:
        """Return the rate of training step `iteration`, counted from 0."""
        return self.settings.learning_rate * 0.5 ** (iteration // self.settings.halve_every)

    def before_step(self, iteration: int) -> None:
        """Set the rate."""
        self.set_rate(self.learning_rate(iteration))

    def train_step(self, batch: SupervisedBatch, iteration: int) -> Tensor:
        """Take one Adam step on the mean loss of all queries; `iteration` counts from 0."""
        self.model.train()
        # All images of the meta-batch share their batch statistics.
        log_p = self._log_probabilities(batch, own_statistics=False)
        loss = F.nll_loss(log_p.flatten(0, 1), batch.query_y.flatten())
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.detach()

    @torch.no_grad()
    def evaluate(self, batch: SupervisedBatch) -> dict[str, Tensor]:
        """Score T tasks: `accuracy` [T] in percent and `loss` [T] (mean over queries, nats)."""
        self.model.eval()
        own = self.settings.batch_norm_test == "transductive"
        # Task by task: needed when statistics are the task's own, and otherwise it keeps memory
        # small and scores the same bit for bit, however many tasks come at once.
        b = batch
        sets = (x.split(1) for x in (b.support_x, b.support_y, b.query_x, b.query_y))
        one_by_one = (SupervisedBatch(*parts) for parts in zip(*sets, strict=True))
        log_p = torch.cat([self._log_probabilities(task, own) for task in one_by_one])
        return scores_of_log_probabilities(log_p, batch.query_y)

    def _log_probabilities(self, batch: SupervisedBatch, own_statistics: bool) -> Tensor:
        """Return ln p(label | query, support) [T, Q, ways]."""
        x = torch.cat([batch.support_x, batch.query_x], 1)
        embedded = self.model["encoder"](x.flatten(0, 1), own_statistics).unflatten(0, x.shape[:2])
        length = batch.support_y.shape[1]
        support, queries = embedded[:, :length], embedded[:, length:]
        if self.settings.full_context:
            context: Any = self.model["context"]
            support = context.support(support)
            queries = context.queries(queries, support)
        compared = similarities(queries, support, self.settings.similarity)
        return log_probabilities(
            self.settings.similarity_scale * compared, batch.support_y, batch.ways
        )


class Pixels(Untrained):
    """The paper's baseline "Pixels": the same attention over raw pixels. Nothing is trained."""

    Settings = PixelSettings
    settings: PixelSettings

    @classmethod
    def metrics(cls, settings: Any) -> tuple[str, ...]:
        """Name the metrics of `evaluate`."""
        return ("accuracy", "loss")

    def train_step(self, batch: SupervisedBatch, iteration: int) -> Tensor:
        """Return the mean loss of the queries, which nothing lowers."""
        return self.evaluate(batch)["loss"].mean()

    @torch.no_grad()
    def evaluate(self, batch: SupervisedBatch) -> dict[str, Tensor]:
        """Score T tasks: `accuracy` [T] in percent and `loss` [T] (mean over queries, nats)."""
        queries, support = batch.query_x.flatten(2), batch.support_x.flatten(2)
        compared = similarities(queries, support, self.settings.similarity)
        compared = self.settings.similarity_scale * compared
        return scores_of_log_probabilities(
            log_probabilities(compared, batch.support_y, batch.ways), batch.query_y
        )


ALGORITHMS = {"matching": Matching, "pixels": Pixels}
