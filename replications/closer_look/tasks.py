"""Single images with their class, for training a plain classifier; episodes for testing it.

A training task is one image: `training.meta_batch` is the size of a mini-batch. Every image of the
training classes comes once an epoch, in a new order each time. Validation and test tasks are those
of `color_episodes` with the same switches, index for index, so that such a classifier is compared
task by task with methods that train on episodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from harness.data.decode_color import ColorResizeFilter
from harness.errors import HarnessError
from harness.switch_types import Examples, Pixels, Share, ShareAboveZero, Ways
from harness.tasks.batch import SupervisedBatch
from harness.tasks.color_episodes import ColorEpisodes, ColorEpisodeSettings
from harness.tasks.source import BLOCK, Arrays, Data, TaskSource
from replications.closer_look.augment import centre_box, crop, jitter, random_boxes

ORDER_STREAM, AUGMENT_STREAM = range(2)


@dataclass(frozen=True)
class LabelledImageSettings:
    """Switches of labelled images; those of the images themselves are as in `color_episodes`."""

    dataset: Literal["mini-imagenet", "cifar-fs", "fc100", "textures"]
    pixels: Literal["unit", "train-normalised", "imagenet-normalised"]
    image_size: Pixels
    resize_filter: ColorResizeFilter
    train_least_area: ShareAboveZero
    """Training images are random crops of at least this share of the image, scaled to the whole;
    1 = no crops."""
    train_flip: bool
    """Whether half of the training images are mirrored left and right."""
    train_jitter: Share
    """Brightness, contrast and colour are each multiplied by a factor uniform in 1 ± this."""
    test_centre_share: ShareAboveZero
    """Share of each side that is shown of validation and test images, scaled to the whole."""
    val_ways: Ways
    val_shots: Examples
    val_queries: Examples
    test_ways: Ways
    test_shots: Examples
    test_queries: Examples


@dataclass(frozen=True)
class LabelledBatch:
    """B images `x` [B, 3, size, size] float and their classes `y` [B] int64, counted from 0."""

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.y)


class LabelledImages(TaskSource):
    """Images of the training classes, one per task, and episodes of the others."""

    Settings = LabelledImageSettings
    test_only = frozenset({"test_ways", "test_shots", "test_queries", "test_centre_share"})
    settings: LabelledImageSettings

    def __init__(
        self,
        settings: LabelledImageSettings,
        train_seed: int,
        evaluation_seed: int,
        device: torch.device,
    ) -> None:
        super().__init__(settings, train_seed, evaluation_seed, device)
        s = settings
        counts = ("ways", "shots", "queries")
        switches = ColorEpisodeSettings(
            s.dataset,
            s.pixels,
            s.image_size,
            s.resize_filter,
            # Nothing asks for training episodes: these counts are those of the test.
            **{f"train_{n}": getattr(s, f"test_{n}") for n in counts},
            **{f"{x}_{n}": getattr(s, f"{x}_{n}") for x in ("val", "test") for n in counts},
        )
        self.episodes = ColorEpisodes(switches, train_seed, evaluation_seed, device)
        self.synthetic = self.episodes.synthetic
        self.image_shape = self.episodes.image_shape
        self._orders: dict[int, np.ndarray] = {}

    @property
    def images(self) -> int:
        """Return the number of training images: an epoch."""
        return len(self.episodes.class_split.train) * self.episodes.store.images_per_class

    def ways(self, split: str) -> int:
        """Return the classes in each episode of `split`; in training, all training classes."""
        if split == "train":
            return len(self.episodes.class_split.train)
        return self.episodes.ways(split)

    def data(self) -> tuple[Data, ...]:
        """Return the images that tasks are drawn from."""
        return self.episodes.data()

    def data_digest(self) -> str:
        """Return the sha256 of the packed store."""
        return self.episodes.data_digest()

    @classmethod
    def batch_bytes(cls, settings: Any, split: str, count: int) -> int:
        """Return the bytes of the images as float32."""
        if split in ("val", "test"):
            return ColorEpisodes.batch_bytes(settings, split, count)
        return int(4 * count * ColorEpisodes.channels * settings.image_size**2)

    def draw_block(self, split: str, block: int) -> Arrays:
        """Draw, for training images, `label` (int64 [BLOCK]), `row` of the store (int64), `box`
        (float32 [BLOCK, 4], pixels), `flip` (bool) and `factors` (float32 [BLOCK, 3])."""
        if split == "trainval":
            raise HarnessError(
                "only training classes have labelled images; wanted a selection "
                "other than best-validation-then-retrain."
            )
        if split != "train":
            return self.episodes.draw_block(split, block)
        epoch, place = np.divmod(np.arange(block * BLOCK, (block + 1) * BLOCK), self.images)
        image = np.concatenate([self._order(int(e))[place[epoch == e]] for e in np.unique(epoch)])
        label, which = np.divmod(image, self.episodes.store.images_per_class)
        classes = self.episodes.class_split.train
        return {
            "label": label,
            "row": classes[label] * self.episodes.store.images_per_class + which,
            **self._augmentation(block),
        }

    def to_batch(self, arrays: Arrays) -> SupervisedBatch | LabelledBatch:
        """Lay images on the device: labelled ones, or episodes as `color_episodes` gives them."""
        s = self.settings
        if "label" not in arrays:
            episodes = self.episodes.to_batch(arrays)
            both = (self._centre(episodes.support_x), self._centre(episodes.query_x))
            return SupervisedBatch(both[0], episodes.support_y, both[1], episodes.query_y)
        tensors = {k: torch.from_numpy(np.asarray(v)).to(self.device) for k, v in arrays.items()}
        rows = self.episodes.store.tensor(self.device, 1).index_select(0, tensors["row"])
        x = rows.view(-1, *self.image_shape).float().div_(255)
        if s.train_least_area < 1 or s.train_flip:
            x = crop(x, tensors["box"], tensors["flip"])
        if s.train_jitter:
            x = jitter(x, tensors["factors"])
        return LabelledBatch(self.episodes.normalise(x), tensors["label"])

    def _augmentation(self, block: int) -> dict[str, np.ndarray]:
        s, g = self.settings, self.generator("train", block, AUGMENT_STREAM)
        whole = np.tile([0, 0, s.image_size, s.image_size], (BLOCK, 1))
        boxes = random_boxes(g, BLOCK, s.image_size, s.train_least_area)
        flip = g.random(BLOCK) < 0.5
        factors = 1 + s.train_jitter * g.uniform(-1, 1, (BLOCK, 3))
        return {
            "box": (boxes if s.train_least_area < 1 else whole).astype(np.float32),
            "flip": flip & s.train_flip,
            "factors": factors.astype(np.float32),
        }

    def _order(self, epoch: int) -> np.ndarray:
        if epoch not in self._orders:
            while len(self._orders) >= 2:  # a block lies in two epochs at most, or epochs are short
                self._orders.pop(next(iter(self._orders)))
            order = self.generator("train", epoch, ORDER_STREAM).permutation(self.images)
            self._orders[epoch] = order
        return self._orders[epoch]

    def _centre(self, x: Tensor) -> Tensor:
        share = self.settings.test_centre_share
        if share == 1:
            return x
        images = x.flatten(0, 1)
        box = torch.from_numpy(centre_box(self.settings.image_size, share)).to(x.device)
        flip = torch.zeros(len(images), dtype=torch.bool, device=x.device)
        return crop(images, box.expand(len(images), 4), flip).view(x.shape)


TASK_SOURCES = {"labelled_images": LabelledImages}
