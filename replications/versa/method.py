"""VERSA (Gordon, Bronskill, Bauer, Nowozin & Turner 2019, arXiv 1805.09921).

One pass over the support set gives a Gaussian over the weights of a linear classifier; predictions
are averaged over samples from it, and training maximises the log of that average (the paper's
ML-PIP objective). Nothing is adapted by gradients. Authors' code: github.com/Gordonjo/versa.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from harness.methods.class_scores import percent_right, scores_of_log_probabilities
from harness.methods.one_network import OneNetwork
from harness.models.class_means import class_means
from harness.models.image_shape import check_pools
from harness.noise import draw_seed, step_generator, task_normals
from harness.ranges import Range
from harness.switch_types import Layers, Rate, ShareAboveZero, Width
from harness.tasks.batch import SupervisedBatch
from replications.versa.features import Features, PoolPadding
from replications.versa.posterior import Amortised, log_predictive, sampled_logits


@dataclass(frozen=True)
class VersaSettings:
    """Switches of VERSA. Those that start with `test_` do not touch training."""

    filters: Width
    blocks: Layers
    """Convolutions, each followed by a pool."""
    pool_padding: PoolPadding
    """What a pool does with an odd row and column: pads (`same`) or drops it (`valid`)."""
    dropout_keep: ShareAboveZero
    """Probability with which an activation is kept in training; 1 is no dropout."""
    samples: Annotated[int, Range(1, 10_000)]
    """Samples of the logits that a training loss averages over (L)."""
    learning_rate: Rate
    """Adam's rate; its other settings are torch's defaults."""
    test_samples: Annotated[int, Range(1, 10_000)]
    test_average: Literal["probabilities", "exponential-logits"]
    """What is averaged over samples for the predicted class: softmax probabilities (the paper),
    or exponentials of the logits, without their normaliser (the authors' code)."""


class Versa(OneNetwork):
    """Features, amortised posterior, averaged predictions; `engine` plays no part."""

    Settings = VersaSettings
    test_only = frozenset({"test_samples", "test_average"})
    settings: VersaSettings
    model: nn.ModuleDict

    def build(self, tasks: Any) -> None:
        """Start the networks and their optimiser."""
        s, (channels, height, _) = self.settings, tasks.image_shape
        if s.pool_padding == "valid":
            check_pools(height, s.blocks)
        features = Features(channels, s.filters, s.blocks, s.pool_padding, self.generator)
        amortised = Amortised(features.size(height), self.generator)
        self.model = nn.ModuleDict({"features": features, "amortised": amortised}).to(self.device)
        self.noise_seed = draw_seed(self.generator)
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=s.learning_rate)

    @classmethod
    def metrics(cls, settings: Any) -> tuple[str, ...]:
        """Name the metrics of `evaluate`."""
        return ("accuracy", "loss")

    def train_step(self, batch: SupervisedBatch, iteration: int) -> Tensor:
        """Take one Adam step on the mean over queries of −ln of the averaged probability."""
        noise = step_generator(self.noise_seed, iteration, self.device)
        queries, posterior = self._infer(batch, self.settings.dropout_keep, noise)
        ways = posterior["bias_mean"].shape[1]
        shape = (len(batch), self.settings.samples, queries.shape[1], ways)
        normals = torch.randn(shape, generator=noise, device=self.device, dtype=queries.dtype)
        log_p = log_predictive(sampled_logits(posterior, queries, normals))
        loss = -log_p.gather(-1, batch.query_y.unsqueeze(-1)).mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.detach()

    @torch.no_grad()
    def evaluate(self, batch: SupervisedBatch) -> dict[str, Tensor]:
        """Score T tasks: `accuracy` [T] in percent and `loss` [T] (mean over queries, nats)."""
        # Task by task: the same bit for bit, however many tasks come at once.
        b = batch
        sets = (x.split(1) for x in (b.support_x, b.support_y, b.query_x, b.query_y))
        by_task = [self._score(SupervisedBatch(*task)) for task in zip(*sets, strict=True)]
        return {name: torch.cat([scores[name] for scores in by_task]) for name in by_task[0]}

    def _score(self, task: SupervisedBatch) -> dict[str, Tensor]:
        queries, posterior = self._infer(task, 1.0, None)
        shape = (self.settings.test_samples, queries.shape[1], posterior["bias_mean"].shape[1])
        normals = task_normals(task.support_x, shape).to(queries.dtype)
        logits = sampled_logits(posterior, queries, normals)
        log_p = log_predictive(logits)
        chosen = log_p if self.settings.test_average == "probabilities" else logits.logsumexp(1)
        scores = scores_of_log_probabilities(log_p, task.query_y)
        return scores | {"accuracy": percent_right(chosen, task.query_y)}

    def _infer(
        self, batch: SupervisedBatch, keep: float, noise: torch.Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return query features [T, Q, D] and the posterior of each task."""
        # In two passes, as the authors do: support and query sets have statistics of their own, so
        # the queries of a task do see each other.
        features = self.model["features"]
        support = features(batch.support_x, keep, noise)
        posterior = self.model["amortised"](class_means(support, batch.support_y))
        return features(batch.query_x, keep, noise), posterior


ALGORITHMS = {"versa": Versa}
