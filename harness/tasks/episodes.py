"""N-way K-shot episodes of images (Vinyals et al. 2016, section 4), whatever the images are.

Draws are nested: of one task index, an episode with fewer ways has the first classes of the one
with more; with fewer shots or queries it has the first of each. So two settings that differ in
one of these are compared on the same support images.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from harness.data.splits import ClassSplit
from harness.data.store import ImageStore
from harness.errors import HarnessError
from harness.tasks.batch import EpisodeBatch
from harness.tasks.embedded_episodes import EmbeddedEpisodes, embedded_once
from harness.tasks.source import BLOCK, SPLITS, Arrays, Data, TaskSource

CLASS_STREAM, IMAGE_STREAM, ROTATION_STREAM = range(3)


class Episodes(TaskSource):
    """Episodes of `ways` classes with `shots` support and `queries` query images of each.

    A subclass says which images there are, how classes are split and what a pixel is as a number.
    Its settings have `<split>_ways`, `<split>_shots` and `<split>_queries` for train, val and test.

    Raises HarnessError at construction where the data are not found or a split has too few
    classes or images; a split without validation classes raises when they are asked for.
    """

    test_only = frozenset({"test_ways", "test_shots", "test_queries"})

    channels: ClassVar[int]
    """Of an image: 1 or 3."""
    turns: int = 1
    """How many quarter turns of each image episodes may show."""

    def __init__(
        self, settings: Any, train_seed: int, evaluation_seed: int, device: torch.device
    ) -> None:
        super().__init__(settings, train_seed, evaluation_seed, device)
        self.store = self.load()
        self.class_split = self.split_classes()
        self.synthetic = self.store.synthetic
        self.image_shape = self.store.image_shape
        self._images = self.store.tensor(device, self.turns)
        for split in SPLITS:
            self._check_counts(split)

    @abc.abstractmethod
    def load(self) -> ImageStore:
        """Return the packed images."""

    @abc.abstractmethod
    def split_classes(self) -> ClassSplit:
        """Return which classes of the store are for training, validation and test."""

    @abc.abstractmethod
    def to_float(self, pixels: Tensor) -> Tensor:
        """Turn uint8 [..., channels, height, width] into float32; `pixels` may be overwritten."""

    def rotations(self, split: str) -> tuple[bool, bool]:
        """Return whether quarter turns are classes of their own, and whether they are drawn for
        each class of a task."""
        return False, False

    def train_on_few_classes(self) -> None:
        """For smoke runs: train on as many classes at once as are tested, where the settings have
        more (which were checked at construction); they are the first classes of each task."""
        s = self.settings
        self.settings = dataclasses.replace(s, train_ways=min(s.train_ways, s.test_ways))

    def ways(self, split: str) -> int:
        """Return the classes in each episode of `split`."""
        return int(getattr(self.settings, f"{_prefix(split)}_ways"))

    def shots(self, split: str) -> int:
        """Return the support images of each class in episodes of `split`."""
        return int(getattr(self.settings, f"{_prefix(split)}_shots"))

    def queries(self, split: str) -> int:
        """Return the query images of each class in episodes of `split`."""
        return int(getattr(self.settings, f"{_prefix(split)}_queries"))

    def data(self) -> tuple[Data, ...]:
        """Return the images that tasks are drawn from."""
        return (self.store,)

    @classmethod
    def batch_bytes(cls, settings: Any, split: str, count: int) -> int:
        """Return the bytes of the images as float32."""
        ways, shots, queries = (
            getattr(settings, f"{_prefix(split)}_{name}") for name in ("ways", "shots", "queries")
        )
        return int(4 * count * ways * (shots + queries) * cls.channels * settings.image_size**2)

    def data_digest(self) -> str:
        """Return the sha256 of the packed store (images at the size used, class names)."""
        return self.store.digest

    def draw_block(self, split: str, block: int) -> Arrays:
        """Draw `class` and `rotation` [BLOCK, ways], `support` [BLOCK, ways, shots] and `query`.

        `class` (int16) is an index into the store, `rotation` (uint8) counts quarter turns,
        `support` and `query` (uint8; uint16 where a class has more than 256 images) are indices of
        images of the class.
        """
        classes = self.class_split.classes(split)
        if not len(classes):
            raise HarnessError(
                f"class split {self.class_split.name!r} has no {split} classes; choose a "
                "split with some, or a model selection that does not look at them."
            )
        ways, shots, queries = self.ways(split), self.shots(split), self.queries(split)
        as_classes, per_task = self.rotations(split)
        # The way is the first axis of every draw, so that fewer ways draw a prefix.
        chosen = without_replacement(
            self.generator(split, block, CLASS_STREAM).random((ways, BLOCK)),
            len(classes) * (4 if as_classes else 1),
        )
        rotation, chosen = np.divmod(chosen, len(classes))
        if per_task:
            rotation = (self.generator(split, block, ROTATION_STREAM).random((ways, BLOCK)) * 4).T
        uniform = self.generator(split, block, IMAGE_STREAM).random(
            (ways, BLOCK, self.store.images_per_class)
        )
        index = np.min_scalar_type(self.store.images_per_class - 1)
        order = uniform.argsort(-1).astype(index).transpose(1, 0, 2)
        return {
            "class": classes[chosen].astype(np.int16),
            "rotation": rotation.astype(np.uint8),
            # Support from the front and query from the back of one permutation: disjoint, and
            # neither changes when the other grows.
            "support": np.ascontiguousarray(order[:, :, :shots]),
            "query": np.ascontiguousarray(order[:, :, ::-1][:, :, :queries]),
        }

    def class_ids(self, split: str) -> np.ndarray:
        """Return the ids, int64 and sorted, that classes of `split` have in `EpisodeBatch.classes`.

        The index into the store; where quarter turns are classes of their own, each turn adds the
        number of classes in the store.
        """
        classes = self.class_split.classes(split)
        turns = 4 if self.rotations(split)[0] else 1
        first = np.arange(turns) * len(self.store.class_names)
        ids: np.ndarray = (first[:, None] + classes).ravel()
        return ids

    def to_batch(self, arrays: Arrays) -> EpisodeBatch:
        """Gather images on the device.

        Returns x [T, ways * (shots or queries), channels, size, size] float32 and
        y [T, ways * …] int64, ordered by class; `classes` [T, ways] are class ids.
        """
        shape = self.image_shape
        return self.laid_out(
            arrays, lambda rows: self.images(rows.ravel()).view(len(rows), -1, *shape)
        )

    def laid_out(self, arrays: Arrays, examples: Callable[[np.ndarray], Tensor]) -> EpisodeBatch:
        """Return a batch of what `examples` has for rows [T, ways, …] of the store: x [T, n, …]."""
        # Rows of the store's tensor: turned copies one after the other, classes within them.
        turn = arrays["rotation"].astype(np.int64) * len(self.store.class_names)
        turned = turn + arrays["class"]
        first = (turned * self.store.images_per_class)[:, :, None]
        ids = turned if self.rotations("train")[0] else arrays["class"].astype(np.int64)
        support, query = first + arrays["support"], first + arrays["query"]
        return EpisodeBatch(
            examples(support),
            self._labels(support),
            examples(query),
            self._labels(query),
            torch.from_numpy(ids).to(self.device),
        )

    def rows(self, split: str) -> np.ndarray:
        """Return the rows, int64, of all images that episodes of `split` may show."""
        of_each = self.store.images_per_class
        turns = np.arange(4 if any(self.rotations(split)) else 1) * len(self.store.class_names)
        first = (turns[:, None] + self.class_split.classes(split)).ravel() * of_each
        rows: np.ndarray = (first[:, None] + np.arange(of_each)).ravel()
        return rows

    def images(self, rows: np.ndarray) -> Tensor:
        """Return the images in `rows` [n] of the store: [n, channels, size, size] float32."""
        pixels = self._images.index_select(0, torch.from_numpy(rows).to(self.device))
        return self.to_float(pixels.view(-1, *self.image_shape))

    def embedded_once(
        self,
        split: str,
        count: int,
        embed: Callable[[Tensor], Tensor],
        at_once: int,
        label: str = "",
    ) -> EmbeddedEpisodes | None:
        """Return episodes of embeddings, where `count` of them show more images than `split` has
        and the embeddings are not too many to be kept."""
        return embedded_once(self, split, count, embed, at_once, label)

    def _labels(self, rows: np.ndarray) -> Tensor:
        tasks, ways, of_each = rows.shape
        return torch.arange(ways, device=self.device).repeat_interleave(of_each).repeat(tasks, 1)

    def _check_counts(self, split: str) -> None:
        ways, shots, queries = self.ways(split), self.shots(split), self.queries(split)
        if shots + queries > self.store.images_per_class:
            raise HarnessError(
                f"{split} episodes: {shots} shots and {queries} queries are "
                f"{shots + queries} images of a class, which has {self.store.images_per_class}."
            )
        classes = len(self.class_split.classes(split)) * (4 if self.rotations(split)[0] else 1)
        if split == "val" and not classes:
            return
        if ways > classes:
            raise HarnessError(
                f"{split} episodes: found {ways} ways, but class split "
                f"{self.class_split.name!r} has {classes} {split} classes."
            )


def _prefix(split: str) -> str:
    """Return the switch prefix of a split: training on train + val uses the train_ switches."""
    return split if split in ("val", "test") else "train"


def without_replacement(uniform: np.ndarray, n: int) -> np.ndarray:
    """Turn uniforms [k, B] into B draws of k different numbers below n, int64 [B, k].

    The first k steps of a Fisher-Yates shuffle for all B at once: k swaps, where sorting n uniforms
    would cost n. Draw j depends on uniforms 0 … j only.
    """
    k, count = uniform.shape
    order = np.tile(np.arange(n), (count, 1))
    row = np.arange(count)
    for j in range(k):
        other = j + (uniform[j] * (n - j)).astype(np.int64)
        picked = order[row, other]
        order[row, other] = order[:, j]
        order[:, j] = picked
    return order[:, :k].copy()
