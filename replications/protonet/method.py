"""Prototypical Networks (Snell, Swersky & Zemel 2017, arXiv 1703.05175).

A class is the mean embedding of its support examples, its prototype; a query example is classified
by a softmax over negative distances to the prototypes (paper, equations 1 and 2, algorithm 1).
Authors' code: github.com/jakesnell/prototypical-networks, `protonets/models/few_shot.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.methods.class_scores import scores_of_logits
from harness.methods.one_network import OneNetwork, adam
from harness.models.image_shape import check_pools
from harness.models.pooled_conv4 import PooledConv4
from harness.models.query_statistics import QueryStatistics
from harness.switch_types import Iterations, Rate, Width
from harness.tasks.batch import SupervisedBatch


@dataclass(frozen=True)
class ProtoNetSettings:
    """Switches of Prototypical Networks."""

    distance: Literal["squared-euclidean", "cosine"]
    """`cosine` is 1 - cos, unscaled: logits lie in [-2, 0] (paper, section 2.6 and figure 2)."""
    filters: Width
    learning_rate: Rate
    """Adam's rate at the start; its other settings are torch's defaults."""
    halve_every: Iterations
    """Episodes (training steps) after which the rate is halved, again and again."""
    batch_norm_scale: Literal["one", "uniform"]
    """Initial batch-norm scale: `uniform` on [0, 1) in the authors' torch 0.4, `one` since 1.2."""
    batch_norm_test: Literal["running", "transductive", QueryStatistics]
    """Batch-norm statistics at validation and test: running ones (the authors' `model.eval()`), or
    those of the task's support and query images together (`transductive`). With the others
    prototypes come from support images normalised among themselves, and a query image is normalised
    by the support set, by that set and itself, or alone."""


def prototypes(embedded: Tensor, labels: Tensor, ways: int) -> Tensor:
    """Average support embeddings [T, S, D] by label [T, S]: [T, ways, D] (equation 1)."""
    member = F.one_hot(labels, ways).to(embedded.dtype)
    return member.transpose(1, 2) @ embedded / member.sum(1).unsqueeze(-1)


def logits(queries: Tensor, centres: Tensor, distance: str) -> Tensor:
    """Return negative distances of queries [T, Q, D] to centres [T, N, D]: [T, Q, N] (equation
    2)."""
    if distance == "cosine":
        return F.normalize(queries, dim=-1) @ F.normalize(centres, dim=-1).transpose(1, 2) - 1
    # Differences before squares: 2 q·c - |c|² - |q|² would lose digits to cancellation.
    return -(queries.unsqueeze(2) - centres.unsqueeze(1)).square().sum(-1)


class ProtoNet(OneNetwork):
    """One encoder and no adaptation: `engine` plays no part."""

    Settings = ProtoNetSettings
    capturable = True
    settings: ProtoNetSettings

    def build(self, tasks: Any) -> None:
        """Start the encoder and its optimiser."""
        s, (channels, size, _) = self.settings, tasks.image_shape
        check_pools(size, 4)
        encoder = PooledConv4(channels, s.filters, s.batch_norm_scale, self.generator)
        self.model = encoder.to(self.device)
        self.optimiser = adam(self.model.parameters(), s.learning_rate, self.device)

    @classmethod
    def metrics(cls, settings: Any) -> tuple[str, ...]:
        """Name the metrics of `evaluate`."""
        return ("accuracy", "loss")

    def learning_rate(self, iteration: int) -> float:
        """Return the rate of training step `iteration`, counted from 0.

        The authors step torch 0.4's StepLR(20 epochs) at the start of each epoch of 100 episodes,
        the first one included; there the first such step leaves the rate as it is, so that episodes
        0 … 1999 have the full rate, as the paper says (from torch 1.1 it would be 0 … 1899).
        """
        return self.settings.learning_rate * 0.5 ** (iteration // self.settings.halve_every)

    def before_step(self, iteration: int) -> None:
        """Set the rate."""
        self.set_rate(self.learning_rate(iteration))

    def train_step(self, batch: SupervisedBatch, iteration: int) -> Tensor:
        """Take one Adam step on the mean loss of all queries; `iteration` counts from 0."""
        self.model.train()
        # Support and query images share their batch statistics, as in the authors' `loss`.
        x = torch.cat([batch.support_x, batch.query_x], 1)
        embedded = self.model(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        scores = self._scores(embedded, batch)
        loss = F.cross_entropy(scores.flatten(0, 1), batch.query_y.flatten())
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.detach()

    @torch.no_grad()
    def evaluate(self, batch: SupervisedBatch) -> dict[str, Tensor]:
        """Score T tasks: `accuracy` [T] in percent and `loss` [T] (mean over queries, nats)."""
        self.model.eval()
        # Embedded task by task: needed when statistics are the task's own, and otherwise it keeps
        # memory small and scores the same bit for bit, however many tasks come at once.
        tasks = zip(batch.support_x, batch.query_x, strict=True)
        embedded = torch.stack([self._embedded(*both) for both in tasks])
        return scores_of_logits(self._scores(embedded, batch), batch.query_y)

    def _embedded(self, support: Tensor, query: Tensor) -> Tensor:
        """Embed one task's images [S, C, H, W] and [Q, C, H, W] as `batch_norm_test` says."""
        how, together = self.settings.batch_norm_test, torch.cat([support, query])
        if how in ("running", "transductive"):
            embedded: Tensor = self.model(together, own_statistics=how == "transductive")
            return embedded
        if how == "support-only":
            embedded = self.model(together, own_statistics=True, of_first=len(support))
            return embedded
        company = query.unsqueeze(1)
        if how == "support-plus-one":
            company = torch.cat([support.expand(len(query), *support.shape), company], 1)
        embedded = self.model(support, own_statistics=True)
        return torch.cat([embedded, *(self._last(part) for part in company.split(16))])

    def _last(self, company: Tensor) -> Tensor:
        """Embed the last image of each company [B, images, C, H, W], normalised by that company."""
        each = self.model(company.flatten(0, 1), own_statistics=True, parts=len(company))
        last: Tensor = each.unflatten(0, company.shape[:2])[:, -1]
        return last

    def _scores(self, embedded: Tensor, batch: SupervisedBatch) -> Tensor:
        """Return logits [T, Q, ways] from embedded support and query images [T, S + Q, D]."""
        shots = batch.support_y.shape[1]
        centres = prototypes(embedded[:, :shots], batch.support_y, batch.ways)
        return logits(embedded[:, shots:], centres, self.settings.distance)


ALGORITHMS = {"protonet": ProtoNet}
