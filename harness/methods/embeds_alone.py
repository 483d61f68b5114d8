"""Methods whose network sees each image alone at a test, so that an image of many tasks is embedded
only once."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from harness.methods.one_network import OneNetwork
from harness.tasks.batch import SupervisedBatch

EMBEDDED_AT_ONCE = 64
"""Images: on two cores, 240 of 84 x 84 at once took 1.5 times as long each as 64 (R2-D2's own
network)."""


class EmbedsAlone(OneNetwork):
    """Scores tasks by embeddings that depend on nothing but the image (no statistics of a task).

    `scoring` embeds the images of a split once where its tasks have more than those.
    """

    @abc.abstractmethod
    def embed(self, images: Tensor) -> Tensor:
        """Embed a few images [B, C, H, W], as at a test: [B, D]."""

    @abc.abstractmethod
    def score(self, batch: SupervisedBatch) -> dict[str, Tensor]:
        """Do what `evaluate` does, for a batch whose `support_x` [T, S, D] and `query_x` [T, Q, D]
        are embeddings."""

    def scoring(
        self, tasks: Any, split: str, count: int, label: str = ""
    ) -> Callable[[int, int], dict[str, Tensor]]:
        """Return what scores n tasks of `split` from a first one on: by embeddings that are made
        now, where `tasks` has fewer images than `count` of its tasks show."""
        with torch.no_grad():
            embedded = tasks.embedded_once(split, count, self.embed, EMBEDDED_AT_ONCE, label)
        if embedded is None:
            return super().scoring(tasks, split, count, label)
        return lambda first, n: self.score(embedded.batch(first, n))

    @torch.no_grad()
    def evaluate(self, batch: SupervisedBatch) -> dict[str, Tensor]:
        """Embed the images of the batch and score its tasks."""
        support, query = self._embedded(batch.support_x), self._embedded(batch.query_x)
        return self.score(dataclasses.replace(batch, support_x=support, query_x=query))

    def _embedded(self, x: Tensor) -> Tensor:
        images = x.flatten(0, 1)
        starts = range(0, len(images), EMBEDDED_AT_ONCE)
        parts = [self.embed(images[at : at + EMBEDDED_AT_ONCE]) for at in starts]
        return torch.cat(parts).view(*x.shape[:2], -1)
