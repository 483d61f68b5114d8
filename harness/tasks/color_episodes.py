"""Episodes of colour images: mini-ImageNet, CIFAR-FS, FC100 or generated textures.

Each of these has one class split, which goes with its name; images are not turned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from harness.data.datasets import load_store
from harness.data.decode_color import ColorResizeFilter
from harness.data.splits import ClassSplit, dataset_split
from harness.data.store import ImageStore
from harness.switch_types import Examples, Pixels, Ways
from harness.tasks.episodes import Episodes

IMAGENET_MEAN, IMAGENET_SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class ColorEpisodeSettings:
    """Switches of episodes of colour images."""

    dataset: Literal["mini-imagenet", "cifar-fs", "fc100", "textures"]
    pixels: Literal["unit", "train-normalised", "imagenet-normalised"]
    """What a pixel is as a number. `unit`: in [0, 1]. `train-normalised`: from that, the mean of
    its channel is taken, divided by the standard deviation of its channel, both over all training
    images. `imagenet-normalised`: the same with ImageNet's usual (0.485, 0.456, 0.406) and
    (0.229, 0.224, 0.225)."""
    image_size: Pixels
    """Pixels a side."""
    resize_filter: ColorResizeFilter
    """Of images that are larger; with `none` there must not be any."""
    train_ways: Ways
    train_shots: Examples
    """Support images of each class."""
    train_queries: Examples
    """Query images of each class."""
    val_ways: Ways
    val_shots: Examples
    val_queries: Examples
    test_ways: Ways
    test_shots: Examples
    test_queries: Examples


class ColorEpisodes(Episodes):
    """Images [3, size, size]. They stay uint8 on the device; only those of a batch become float."""

    Settings = ColorEpisodeSettings
    channels = 3
    settings: ColorEpisodeSettings

    def load(self) -> ImageStore:
        """Return the dataset at the size asked for."""
        s = self.settings
        return load_store(s.dataset, s.image_size, s.resize_filter)

    def split_classes(self) -> ClassSplit:
        """Return the split that goes with the dataset's name."""
        return dataset_split(self.store)

    def to_float(self, pixels: Tensor) -> Tensor:
        """Scale to [0, 1], and normalise as the switch says."""
        return self.normalise(pixels.float().div_(255))

    def normalise(self, x: Tensor) -> Tensor:
        """Normalise x [..., 3, size, size] in [0, 1] as the switch says; x may be overwritten."""
        if self.settings.pixels == "unit":
            return x
        mean, sd = (_channels(c, x) for c in self.channel_statistics())
        return x.sub_(mean).div_(sd)

    def channel_statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return (mean, standard deviation) of the channels that the switch names."""
        if self.settings.pixels == "imagenet-normalised":
            return IMAGENET_MEAN, IMAGENET_SD
        statistics = self.store.train_statistics
        assert statistics is not None, "every colour store has them"
        return statistics.mean, statistics.sd


def _channels(numbers: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(numbers, dtype=like.dtype, device=like.device)[:, None, None]
