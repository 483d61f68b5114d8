"""R2-D2 (Bertinetto, Henriques, Torr, Vedaldi 2019, arXiv 1805.08136; code bertinetto/r2d2).

The head of a task is the ridge regression of one-hot labels on the embedded support set, in closed
form: W = Xᵀ (X Xᵀ + λ I)⁻¹ Y, by the Woodbury identity. Logits of queries are a X' W + b. The
embedding, λ, a and b are meta-trained through the solution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.errors import HarnessError
from harness.methods.class_scores import scores_of_logits
from harness.methods.embeds_alone import EmbedsAlone
from harness.noise import draw_seed, step_generator
from harness.ranges import Entries
from harness.switch_types import (
    Examples,
    Factor,
    Iterations,
    Number,
    Rate,
    Share,
    ShareBelowOne,
    Width,
)
from harness.tasks.batch import SupervisedBatch
from replications.r2d2.network import RidgeFeatures


@dataclass(frozen=True)
class R2D2Settings:
    """Switches of R2-D2."""

    filters: Annotated[tuple[Width, ...], Entries(4, 4)]
    """Of the four convolutions."""
    leaky_slope: Share
    dropout: ShareBelowOne
    """After the third and the fourth block, in training."""
    batch_norm_scale: Literal["one", "uniform"]
    """Initial batch-norm scale: `uniform` on [0, 1) in the authors' torch 0.3, `one` since 1.2."""
    ridge: Factor
    """λ at the start, for a mean over the support examples: n λ for their sum."""
    learn_ridge: bool
    """True: λ is meta-trained; False: it stays, as in the released scripts."""
    scale: Number
    """a at the start; b starts at 0."""
    shots_min: Examples
    shots_max: Examples
    """Training episodes draw their shots from shots_min … shots_max; of each class, the first so
    many of its support and query images are the support set."""
    learning_rate: Rate
    """Adam's rate at the start."""
    halve_every: Iterations
    """Training steps after which the rate is halved, again and again."""


def ridge_logits(support: Tensor, labels: Tensor, queries: Tensor, ridge: Tensor) -> Tensor:
    """Predict one-hot labels by ridge regression: [T, Q, ways] from support [T, S, D], `labels`
    one-hot [T, S, ways], and queries [T, Q, D].

    `ridge` (scalar) weighs |W|² against the mean squared error over the S examples. A constant
    feature is added, penalised like the others, as in the authors' code. All is done with the
    [S, S] products of the examples: W itself, [D, ways], is never formed.
    """
    shots = support.shape[1]
    gram = support @ support.mT + 1
    identity = torch.eye(shots, dtype=support.dtype, device=support.device)
    dual = torch.linalg.solve(gram + shots * ridge * identity, labels)
    logits: Tensor = (queries @ support.mT + 1) @ dual
    return logits


class R2D2(EmbedsAlone):
    """One embedding and a head in closed form: `engine` plays no part."""

    Settings = R2D2Settings
    settings: R2D2Settings
    model: Any
    """A module with `encoder`, `ridge`, `scale` and `bias`."""

    def build(self, tasks: Any) -> None:
        """Start the embedding, λ, a and b, and their optimiser."""
        s = self.settings
        channels, _, size = tasks.image_shape
        images = tasks.settings.train_shots + tasks.settings.train_queries
        if not s.shots_min <= s.shots_max < images:
            raise HarnessError(
                f"method.shots_min and shots_max: found {s.shots_min} and {s.shots_max}, wanted "
                f"shots_min <= shots_max < {images}, the images of a class in an episode."
            )
        self.model = nn.Module()
        self.model.encoder = RidgeFeatures(
            channels,
            s.filters,
            size,
            s.leaky_slope,
            s.dropout,
            s.batch_norm_scale,
            self.generator,
        )
        self.model.ridge = nn.Parameter(torch.tensor(s.ridge), requires_grad=s.learn_ridge)
        self.model.scale = nn.Parameter(torch.tensor(s.scale))
        self.model.bias = nn.Parameter(torch.tensor(0.0))
        self.model.to(self.device)
        learned = [p for p in self.model.parameters() if p.requires_grad]
        self.optimiser = torch.optim.Adam(learned, lr=s.learning_rate)
        self.shots_seed = draw_seed(self.generator)
        self.noise_seed = draw_seed(self.generator)
        self.noise = torch.Generator(self.device)  # unused until a training step sets its own

    @classmethod
    def metrics(cls, settings: Any) -> tuple[str, ...]:
        """Name the metrics of `evaluate`."""
        return ("accuracy", "loss")

    def train_step(self, batch: SupervisedBatch, iteration: int) -> Tensor:
        """Take one Adam step on the mean loss of all queries; `iteration` counts from 0."""
        self.model.train()
        self.noise = step_generator(self.noise_seed, iteration, self.device)
        rate = self.settings.learning_rate * 0.5 ** (iteration // self.settings.halve_every)
        self.optimiser.param_groups[0]["lr"] = rate
        batch = reshuffled(batch, self._shots(iteration))
        # Support and query images share their batch statistics.
        x = torch.cat([batch.support_x, batch.query_x], 1)
        embedded = self.model.encoder(x.flatten(0, 1), self.noise).unflatten(0, x.shape[:2])
        shots = batch.support_y.shape[1]
        scores = self._logits(embedded[:, :shots], batch.support_y, embedded[:, shots:])
        loss = F.cross_entropy(scores.flatten(0, 1), batch.query_y.flatten())
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.detach()

    @torch.no_grad()
    def embed(self, images: Tensor) -> Tensor:
        """Embed images by running batch-norm statistics (inductive)."""
        self.model.eval()
        embedded: Tensor = self.model.encoder(images, self.noise)
        return embedded

    @torch.no_grad()
    def score(self, batch: SupervisedBatch) -> dict[str, Tensor]:
        """Score T tasks of embedded images: `accuracy` [T] in percent and `loss` [T] (mean over
        queries, nats)."""
        logits = self._logits(batch.support_x, batch.support_y, batch.query_x)
        return scores_of_logits(logits, batch.query_y)

    def _shots(self, iteration: int) -> int:
        """Draw the shots of training step `iteration`."""
        s = self.settings
        drawn = step_generator(self.shots_seed, iteration, torch.device("cpu"))
        return int(torch.randint(s.shots_min, s.shots_max + 1, (), generator=drawn))

    def _logits(self, support: Tensor, support_y: Tensor, query: Tensor) -> Tensor:
        """Return logits [T, Q, ways] from embeddings [T, S, D] and [T, Q, D]."""
        ways = int(support_y.max()) + 1
        labels = F.one_hot(support_y, ways).to(support.dtype)
        unscaled = ridge_logits(support, labels, query, self.model.ridge)
        logits: Tensor = self.model.scale * unscaled + self.model.bias
        return logits


def reshuffled(batch: SupervisedBatch, shots: int) -> SupervisedBatch:
    """Return the same images with `shots` of each class as support, the rest as queries.

    Both sets of `batch` are ordered by class, with as many images of each, and so are those given.
    """
    ways = int(batch.support_y.max()) + 1

    def by_class(support: Tensor, query: Tensor) -> Tensor:
        return torch.cat([t.unflatten(1, (ways, -1)) for t in (support, query)], 2)

    x = by_class(batch.support_x, batch.query_x)
    y = by_class(batch.support_y, batch.query_y)
    first, rest = slice(shots), slice(shots, None)
    parts = (x[:, :, first], y[:, :, first], x[:, :, rest], y[:, :, rest])
    return SupervisedBatch(*(t.flatten(1, 2) for t in parts))


ALGORITHMS = {"r2d2": R2D2}
