"""The packed store: every image of a dataset at one size, as one uint8 array."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field

import numpy as np
import torch

from harness.data import known
from harness.errors import HarnessError

_MOVING = threading.Lock()  # images go to a device once, whatever threads ask for them


@dataclass(frozen=True)
class ChannelStatistics:
    """Mean and standard deviation of each channel of x / 255, over the training images."""

    mean: tuple[float, ...]
    sd: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class ImageStore:
    """Images of C classes, as many of each class.

    `images` uint8 [C, images per class, size, size] with ink = 255 (the ink convention of a paper
    is applied when a batch is made), or in colour [C, images per class, 3, size, size]; they may
    lie in a mapped file, so that only what is touched is read. `class_names` are C names, sorted.
    `part` uint8 [C]: where the dataset itself puts a class; for Omniglot and glyphs 1 is
    background and 0 evaluation, in colour 0, 1, 2 are train, val and test. `source_digest`: sha256
    of the images before they were resized ('' for generated ones). Nobody writes into the arrays.
    """

    dataset: str
    images: np.ndarray
    class_names: tuple[str, ...]
    part: np.ndarray
    source_digest: str
    synthetic: bool
    train_statistics: ChannelStatistics | None = None
    """Given in colour only, where there is one training part."""
    digest: str = ""
    """sha256 of images, names and parts; computed where not given."""
    names_digest: str = ""
    """sha256 of the file names, for mini-ImageNet."""
    made_of: str = ""
    """The place of the files that the images were packed from; '' for generated ones."""
    source_stamp: str = ""
    """Stamp of these files (`harness.data.stamp`), taken before they were read."""
    _on_device: dict[tuple[torch.device, int], torch.Tensor] = field(
        default_factory=dict, repr=False
    )

    def __post_init__(self) -> None:
        if not self.digest:
            digest = store_digest(self.images, self.class_names, self.part)
            object.__setattr__(self, "digest", digest)

    @property
    def data_note(self) -> str:
        """Return why these are not the images of the dataset; '' if they are, or are generated."""
        if self.synthetic:
            return ""
        return known.note(self.dataset, self.source_digest, self.names_digest)

    @property
    def data_caveat(self) -> str:
        """Return a note if a true dataset is another copy than the one known here, else ''."""
        if self.synthetic:
            return ""
        return known.caveat(self.dataset, self.source_digest, self.names_digest)

    def check(self) -> None:
        """Take the digest of the pixels as they are now (about a second a gigabyte).

        Raises HarnessError where they are not those that `digest` names.
        """
        if store_digest(self.images, self.class_names, self.part) != self.digest:
            raise HarnessError(
                f"the packed {self.dataset} no longer fits its digest {self.digest[:12]}; delete "
                "its file in the cache (`harness data list` says where) and run this again."
            )

    @property
    def images_per_class(self) -> int:
        """Return the number of images of each class."""
        return int(self.images.shape[1])

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Return (channels, height, width) of an image."""
        channels = self.images.shape[2] if self.images.ndim == 5 else 1
        return (channels, *self.images.shape[-2:])

    def tensor(self, device: torch.device, turns: int) -> torch.Tensor:
        """Return the images on `device`, uint8 [turns * C * images per class, pixels of an image].

        Row t * C * n + i is image i turned by t * 90 degrees, counterclockwise as `torch.rot90`
        turns. Turned copies cost memory (25 MB a turn for Omniglot at 28 x 28), but gathering whole
        rows is some 50 times faster on a CPU than turning pixel by pixel. With one turn on a CPU
        nothing is copied: rows of a mapped file are read when they are gathered. Kept for the
        process.
        """
        key = (device, turns)
        with _MOVING:
            if key not in self._on_device:
                images = torch.from_numpy(self.images).to(device).flatten(0, 1)
                copies = [torch.rot90(images, t, (-2, -1)).flatten(1) for t in range(1, turns)]
                rows = images.flatten(1)
                self._on_device[key] = torch.cat([rows, *copies]) if copies else rows
            return self._on_device[key]


def store_digest(images: np.ndarray, class_names: tuple[str, ...], part: np.ndarray) -> str:
    """Return the sha256 (hex) of what a store holds, the same on every machine."""
    header = [list(images.shape), list(class_names), part.astype(int).tolist()]
    hasher = hashlib.sha256(json.dumps(header).encode())
    hasher.update(np.ascontiguousarray(images).data)
    return hasher.hexdigest()


def train_statistics(images: np.ndarray, part: np.ndarray) -> ChannelStatistics:
    """Return mean and sd of x / 255 for each channel of `images` [C, n, 3, size, size], classes of
    part 0 only. From exact sums of integers, so the same on every machine."""
    total, squares, count = np.zeros(3), np.zeros(3), 0
    for i in np.flatnonzero(part == 0):  # class by class: a copy of all would take gigabytes
        row = images[i]
        total += row.sum((0, 2, 3), dtype=np.uint64)
        squares += np.square(row, dtype=np.uint32).sum((0, 2, 3), dtype=np.uint64)
        count += row.size // 3
    mean = total / count
    sd = np.sqrt(squares / count - mean**2)
    return ChannelStatistics(tuple((mean / 255).tolist()), tuple((sd / 255).tolist()))
