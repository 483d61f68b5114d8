"""N-way K-shot episodes of images (Vinyals et al. 2016, section 4): Omniglot or generated glyphs.

Draws are nested: of one task index, an episode with fewer ways has the first classes of the one
with more; with fewer shots or queries it has the first of each. So two settings that differ in
one of these are compared on the same support images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from harness.data.datasets import load_store
from harness.data.decode import ResizeFilter
from harness.data.splits import ClassSplitName, class_split
from harness.errors import HarnessError
from harness.tasks.batch import SupervisedBatch
from harness.tasks.source import BLOCK, SPLITS, Arrays, TaskSource

CLASS_STREAM, IMAGE_STREAM, ROTATION_STREAM = range(3)


@dataclass(frozen=True)
class ImageEpisodeSettings:
    """Switches of image episodes."""

    dataset: Literal["omniglot", "glyphs"]
    class_split: ClassSplitName
    split_seed: int
    """Seed of the random class splits; the fixed ones do not look at it."""
    rotations: Literal[
        "none",
        "as-classes",
        "per-class-in-task",
        "train-as-classes",
        "train-per-class-in-task",
    ]
    """`as-classes`: each class turned by 0, 90, 180, 270 degrees makes four classes.
    `per-class-in-task`: all images of a class in an episode are turned by one random multiple of
    90 degrees. With `train-`, validation and test images are not turned."""
    ink: Literal["one", "zero"]
    """Value of ink in the float image; paper has the other."""
    image_size: int
    """Pixels a side."""
    resize_filter: ResizeFilter
    """`nearest` is also what Pillow gives for any filter on the original one-bit files."""
    train_ways: int
    train_shots: int
    """Support images of each class."""
    train_queries: int
    """Query images of each class."""
    val_ways: int
    val_shots: int
    val_queries: int
    test_ways: int
    test_shots: int
    test_queries: int


class ImageEpisodes(TaskSource):
    """Episodes of `ways` classes with `shots` support and `queries` query images of each.

    Raises HarnessError at construction where the data are not found or a split has too few
    classes or images; a split without validation classes raises when they are asked for.
    """

    Settings = ImageEpisodeSettings
    settings: ImageEpisodeSettings

    def __init__(
        self,
        settings: ImageEpisodeSettings,
        train_seed: int,
        evaluation_seed: int,
        device: torch.device,
    ) -> None:
        super().__init__(settings, train_seed, evaluation_seed, device)
        s = settings
        self.store = load_store(s.dataset, s.image_size, s.resize_filter)
        self.class_split = class_split(s.class_split, self.store, s.split_seed)
        self.synthetic = self.store.synthetic
        self.image_shape = (1, s.image_size, s.image_size)
        self._images = self.store.tensor(device)
        # Row r lists, for each pixel of the image turned by r * 90 degrees (counterclockwise, as
        # torch.rot90 turns), the pixel it comes from.
        pixel = torch.arange(s.image_size**2).view(s.image_size, s.image_size)
        turned = torch.stack([torch.rot90(pixel, r).flatten() for r in range(4)])
        self._turned_pixel = turned.to(device)
        for split in SPLITS:
            self._check_counts(split)

    def ways(self, split: str) -> int:
        """Give the classes in each episode of `split`."""
        return int(getattr(self.settings, f"{_prefix(split)}_ways"))

    def shots(self, split: str) -> int:
        """Give the support images of each class in episodes of `split`."""
        return int(getattr(self.settings, f"{_prefix(split)}_shots"))

    def queries(self, split: str) -> int:
        """Give the query images of each class in episodes of `split`."""
        return int(getattr(self.settings, f"{_prefix(split)}_queries"))

    def data_digest(self) -> str:
        """Give the sha256 of the packed store (images at the size used, class names)."""
        return self.store.digest

    def draw_block(self, split: str, block: int) -> Arrays:
        """Draw `class` and `rotation` [BLOCK, ways], `support` [BLOCK, ways, shots] and `query`.

        `class` (int16) is an index into the store, `rotation` (uint8) counts quarter turns,
        `support` and `query` (uint8) are indices of images of the class.
        """
        classes = self.class_split.classes(split)
        if not len(classes):
            raise HarnessError(
                f"class split {self.settings.class_split!r} has no {split} classes; choose a "
                "split with some, or a model selection that does not look at them."
            )
        ways, shots, queries = self.ways(split), self.shots(split), self.queries(split)
        as_classes, per_task = self._rotations(split)
        # The way is the first axis of every draw, so that fewer ways draw a prefix.
        chosen = _without_replacement(
            self.generator(split, block, CLASS_STREAM).random((ways, BLOCK)),
            len(classes) * (4 if as_classes else 1),
        )
        rotation, chosen = np.divmod(chosen, len(classes))
        if per_task:
            rotation = (self.generator(split, block, ROTATION_STREAM).random((ways, BLOCK)) * 4).T
        uniform = self.generator(split, block, IMAGE_STREAM).random(
            (ways, BLOCK, self.store.images_per_class)
        )
        order = uniform.argsort(-1).astype(np.uint8).transpose(1, 0, 2)
        return {
            "class": classes[chosen].astype(np.int16),
            "rotation": rotation.astype(np.uint8),
            # Support from the front and query from the back of one permutation: disjoint, and
            # neither changes when the other grows.
            "support": np.ascontiguousarray(order[:, :, :shots]),
            "query": np.ascontiguousarray(order[:, :, ::-1][:, :, :queries]),
        }

    def to_batch(self, arrays: Arrays) -> SupervisedBatch:
        """Gather images on the device.

        Gives x [T, ways * (shots or queries), 1, size, size] float32 and y [T, ways * …] int64,
        ordered by class.
        """
        first = arrays["class"].astype(np.int64) * self.store.images_per_class
        rotation = torch.from_numpy(arrays["rotation"].astype(np.int64)).to(self.device)
        support = self._gather(first[:, :, None] + arrays["support"], rotation)
        query = self._gather(first[:, :, None] + arrays["query"], rotation)
        return SupervisedBatch(*support, *query)

    def _gather(
        self, image: np.ndarray, rotation: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        tasks, ways, of_each = image.shape
        rows = torch.from_numpy(image).to(self.device).unsqueeze(-1)
        pixels = self._images[rows, self._turned_pixel[rotation].unsqueeze(2)]
        if self.settings.ink == "zero":
            pixels = pixels.bitwise_not()
        x = pixels.view(tasks, ways * of_each, *self.image_shape).float().div_(255)
        y = torch.arange(ways, device=self.device).repeat_interleave(of_each).repeat(tasks, 1)
        return x, y

    def _rotations(self, split: str) -> tuple[bool, bool]:
        """Tell whether rotations are classes, and whether they are drawn for each task."""
        mode = self.settings.rotations
        if mode.startswith("train-") and split not in ("train", "trainval"):
            return False, False
        return mode.endswith("as-classes"), mode.endswith("per-class-in-task")

    def _check_counts(self, split: str) -> None:
        ways, shots, queries = self.ways(split), self.shots(split), self.queries(split)
        if min(ways, shots, queries) < 1:
            raise HarnessError(
                f"{split} episodes: found {ways} ways, {shots} shots and {queries} queries, "
                "wanted at least 1 of each."
            )
        if shots + queries > self.store.images_per_class:
            raise HarnessError(
                f"{split} episodes: {shots} shots and {queries} queries are "
                f"{shots + queries} images of a class, which has {self.store.images_per_class}."
            )
        classes = len(self.class_split.classes(split)) * (4 if self._rotations(split)[0] else 1)
        if split == "val" and not classes:
            return
        if ways > classes:
            raise HarnessError(
                f"{split} episodes: found {ways} ways, but class split "
                f"{self.settings.class_split!r} has {classes} {split} classes."
            )


def _prefix(split: str) -> str:
    """Give the switch prefix of a split: training on train + val uses the train_ switches."""
    return split if split in ("val", "test") else "train"


def _without_replacement(uniform: np.ndarray, n: int) -> np.ndarray:
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
