"""CNAPs (Requeima, Gordon, Bronskill, Nowozin & Turner 2019, arXiv 1906.07697).

A set encoder reads the support set and gives FiLM parameters, which modulate a feature extractor
that was pre-trained and is frozen; a linear classifier is inferred from the mean adapted feature of
each class. Nothing is adapted by gradients. Authors' code: github.com/cambridge-mlg/cnaps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.method import Method
from harness.methods.class_scores import scores_of_logits
from harness.models.class_means import class_means
from harness.models.image_shape import check_pools
from harness.switch_types import IterationsOrNone, Layers, Penalty, Rate, Width, Widths
from harness.tasks.batch import EpisodeBatch, SupervisedBatch
from replications.cnaps.extractor import Extractor, Film
from replications.cnaps.networks import FilmLayer, LinearClassifier, SetEncoder, dense


@dataclass(frozen=True)
class CnapsSettings:
    """Switches of CNAPs."""

    widths: Widths
    """Maps of each block of the extractor; the first block stays unadapted."""
    encoder_filters: Width
    encoder_blocks: Layers
    """Convolutions of the set encoder, each with a pool that halves the image."""
    adaptation: Literal["none", "film", "film-auto-regressive"]
    """`film`: parameters from the encoded support set. `film-auto-regressive`: also from its
    features below the block, as already adapted."""
    film_penalty: Penalty
    """Times the squared lengths that `FilmLayer.penalty` gives, added once for each task."""
    learning_rate: Rate
    """Adam's rate in meta-training; its other settings are torch's defaults."""
    pretrain_iterations: IterationsOrNone
    """The first iterations of a run pre-train the extractor; the others leave it frozen."""
    pretrain_rate: Rate
    """Adam's rate at the start of pre-training; it falls linearly to 0 at its end."""


class Cnaps(Method):
    """Pre-trains the extractor, then meta-trains what reads support sets; no `engine`."""

    Settings = CnapsSettings
    settings: CnapsSettings
    operations_countable = False  # steps of pre-training and after it differ

    def build(self, tasks: Any) -> None:
        """Start all networks, the head of pre-training, and an optimiser for each phase."""
        s, g, (channels, size, _) = self.settings, self.generator, tasks.image_shape
        check_pools(size, len(s.widths))
        self.extractor = Extractor(channels, s.widths, g).to(self.device)
        ids = torch.from_numpy(tasks.class_ids("train"))
        self.position = torch.full((int(ids.max()) + 1,), -1)
        self.position[ids] = torch.arange(len(ids))
        self.position = self.position.to(self.device)
        # The head before what differs between variants: at one seed all have the same extractor.
        self.head = dense(s.widths[-1], len(ids), g).to(self.device)
        self.model = nn.ModuleDict({"classifier": LinearClassifier(s.widths[-1], g)})
        if s.adaptation != "none":
            check_pools(size, s.encoder_blocks)
            self.model["encoder"] = SetEncoder(channels, s.encoder_filters, s.encoder_blocks, g)
            local = s.adaptation == "film-auto-regressive"
            self.model["films"] = nn.ModuleList(
                FilmLayer(s.encoder_filters, below if local else 0, maps, g)
                for below, maps in zip(s.widths, s.widths[1:], strict=False)
            )
        self.model.to(self.device)
        pretrained = [*self.extractor.parameters(), *self.head.parameters()]
        self.optimisers = {
            "pretrain": torch.optim.Adam(pretrained, lr=s.pretrain_rate),
            "meta": torch.optim.Adam(self.model.parameters(), lr=s.learning_rate),
        }

    @classmethod
    def metrics(cls, settings: Any) -> tuple[str, ...]:
        """Name the metrics of `evaluate`."""
        return ("accuracy", "loss")

    def train_step(self, batch: SupervisedBatch, iteration: int) -> Tensor:
        """Take a step of the phase that `iteration` is in; return the mean cross-entropy."""
        pretraining = iteration < self.settings.pretrain_iterations
        self.extractor.requires_grad_(pretraining)
        return self._pretrain(batch, iteration) if pretraining else self._meta_train(batch)

    def _pretrain(self, batch: SupervisedBatch, iteration: int) -> Tensor:
        """Classify all images of the batch among all training classes."""
        s, optimiser = self.settings, self.optimisers["pretrain"]
        assert isinstance(batch, EpisodeBatch)
        optimiser.param_groups[0]["lr"] = s.pretrain_rate * (1 - iteration / s.pretrain_iterations)
        images = torch.cat([batch.support_x, batch.query_x], 1).flatten(0, 1)
        labels = torch.cat([batch.support_y, batch.query_y], 1)
        known = self.position[batch.classes.gather(1, labels)].flatten()
        loss = F.cross_entropy(self.head(self.extractor.train()(images)), known)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.detach()

    def _meta_train(self, batch: SupervisedBatch) -> Tensor:
        """Lower the loss of the queries, given the support sets."""
        losses = self._losses(self._logits(batch), batch.query_y)
        # As the authors weigh it: the loss of a task is a sum over its queries, the loss of a step
        # a mean over tasks, and the penalty is added once a task.
        loss = losses.sum(1).mean()
        if "films" in self.model:
            films: Any = self.model["films"]
            penalty = torch.stack([layer.penalty() for layer in films]).sum()
            loss = loss + len(batch) * self.settings.film_penalty * penalty
        self.optimisers["meta"].zero_grad()
        loss.backward()
        self.optimisers["meta"].step()
        return losses.detach().mean()

    @torch.no_grad()
    def evaluate(self, batch: SupervisedBatch) -> dict[str, Tensor]:
        """Score T tasks: `accuracy` [T] in percent and `loss` [T] (mean over queries, nats)."""
        # Task by task: the same bit for bit, however many tasks come at once.
        b = batch
        sets = (x.split(1) for x in (b.support_x, b.support_y, b.query_x, b.query_y))
        tasks = (SupervisedBatch(*task) for task in zip(*sets, strict=True))
        logits = torch.cat([self._logits(task) for task in tasks])
        return scores_of_logits(logits, b.query_y)

    def _logits(self, batch: SupervisedBatch) -> Tensor:
        """Return logits of the queries [T, Q, ways]."""
        with torch.no_grad():  # frozen, and below everything that adapts
            support = self.extractor.block(0, batch.support_x, None)
            queries = self.extractor.block(0, batch.query_x, None)
        films, features = self._adapt(batch.support_x, support)
        weight, bias = self.model["classifier"](class_means(features, batch.support_y))
        logits: Tensor = self.extractor.embed(queries, films, 1) @ weight.mT + bias.mT
        return logits

    def _adapt(self, images: Tensor, x: Tensor) -> tuple[list[Film | None], Tensor]:
        """Return FiLM of the blocks after the first, and support features [T, S, D].

        `images` is the support set, `x` its maps after the first block. Each block's parameters are
        known before the support set goes through it, so one pass gives both.
        """
        if "films" not in self.model:
            none: list[Film | None] = [None] * (len(self.settings.widths) - 1)
            return none, self.extractor.embed(x, none, 1)
        films: list[Film | None] = []
        task = self.model["encoder"](images)
        local = self.settings.adaptation == "film-auto-regressive"
        layers: Any = self.model["films"]
        for i, layer in enumerate(layers, 1):
            films.append(layer(task, x.mean((-2, -1)) if local else None))
            x = self.extractor.block(i, x, films[-1])
        return films, x.mean((-2, -1))

    @staticmethod
    def _losses(logits: Tensor, labels: Tensor) -> Tensor:
        """Return the cross-entropy of each query [T, Q]."""
        return F.cross_entropy(logits.mT, labels, reduction="none")

    def weights(self) -> dict[str, Tensor]:
        """Return copies of the extractor (running statistics too) and of what reads support
        sets."""
        state = {f"extractor.{k}": v for k, v in self.extractor.state_dict().items()}
        state |= self.model.state_dict()
        return {k: v.clone() for k, v in state.items()}

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Take weights given by `weights()`."""
        mine = {k: v for k, v in weights.items() if k.startswith("extractor.")}
        self.extractor.load_state_dict({k.partition(".")[2]: v for k, v in mine.items()})
        self.model.load_state_dict({k: v for k, v in weights.items() if k not in mine})

    def training_state(self) -> dict[str, Any]:
        """Return the head of pre-training and the state of both optimisers."""
        states = {k: v.state_dict() for k, v in self.optimisers.items()}
        return {"head": self.head.state_dict(), "optimisers": states}

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take what `training_state()` gave."""
        self.head.load_state_dict(state["head"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])


ALGORITHMS = {"cnaps": Cnaps}
