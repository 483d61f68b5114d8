"""Episodes of drawings in black and white: Omniglot or generated glyphs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from harness.data.datasets import load_store
from harness.data.omniglot_decode import ResizeFilter
from harness.data.splits import ClassSplit, ClassSplitName, class_split
from harness.data.store import ImageStore
from harness.switch_types import Examples, Pixels, Seed, Ways
from harness.tasks.episodes import Episodes


@dataclass(frozen=True)
class ImageEpisodeSettings:
    """Switches of image episodes."""

    dataset: Literal["omniglot", "glyphs"]
    class_split: ClassSplitName
    split_seed: Seed
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
    image_size: Pixels
    """Pixels a side."""
    resize_filter: ResizeFilter
    """`nearest` is also what Pillow gives for any filter on the original one-bit files."""
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


class ImageEpisodes(Episodes):
    """Drawings [1, size, size], possibly turned by multiples of 90 degrees."""

    Settings = ImageEpisodeSettings
    channels = 1
    settings: ImageEpisodeSettings

    def load(self) -> ImageStore:
        """Return Omniglot or glyphs at the size asked for."""
        s = self.settings
        self.turns = 1 if s.rotations == "none" else 4
        return load_store(s.dataset, s.image_size, s.resize_filter)

    def split_classes(self) -> ClassSplit:
        """Return the split that the switches name."""
        return class_split(self.settings.class_split, self.store, self.settings.split_seed)

    def to_float(self, pixels: Tensor) -> Tensor:
        """Scale to [0, 1], ink as the switch says."""
        if self.settings.ink == "zero":
            pixels = pixels.bitwise_not_()
        return pixels.float().div_(255)

    def rotations(self, split: str) -> tuple[bool, bool]:
        """Return whether rotations are classes, and whether they are drawn for each task."""
        mode = self.settings.rotations
        if mode.startswith("train-") and split not in ("train", "trainval"):
            return False, False
        return mode.endswith("as-classes"), mode.endswith("per-class-in-task")
