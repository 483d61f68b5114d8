"""Colour datasets as packed stores: decoded once, by as many threads as there are cores.

Pillow lets other threads run while it decodes and resizes, so threads are enough.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from harness.data.cache_file import AtHand, cache_file, load_or_build
from harness.data.cifar100 import find_cifar100, locate_cifar100
from harness.data.color_classes import PARTS, ColorClass, color_classes
from harness.data.color_source import ColorSource, ImageFiles
from harness.data.decode_color import fit
from harness.data.known import KNOWN
from harness.data.mini_imagenet import find_mini_imagenet, locate_mini_imagenet, names_digest
from harness.data.stamp import Located
from harness.data.store import ImageStore, train_statistics
from harness.progress import Progress


@dataclass(frozen=True)
class ColorSet:
    """A colour dataset: its classes, how many images of each, and how its images are found."""

    classes: tuple[ColorClass, ...]
    of_each: int
    locate: Callable[[Sequence[ColorClass]], Located]
    find: Callable[[Sequence[ColorClass], int], ColorSource]

    def located(self) -> Located:
        """Find the files, unread; DataNotAtHand where they are not there."""
        return self.locate(self.classes)

    def source(self) -> ColorSource:
        """Find the images; HarnessError where they are not there or not right."""
        return self.find(self.classes, self.of_each)


_CIFAR = (locate_cifar100, find_cifar100)
COLOR_SETS = {
    "mini-imagenet": ColorSet(
        color_classes("mini-imagenet"), 600, locate_mini_imagenet, find_mini_imagenet
    ),
    "cifar-fs": ColorSet(color_classes("cifar-fs"), 600, *_CIFAR),
    "fc100": ColorSet(color_classes("fc100"), 600, *_CIFAR),
}


def load_color(dataset: str, image_size: int, resize_filter: str) -> ImageStore:
    """Return the store from the cache, or build it from the images and keep it there.

    Raises HarnessError where neither the cache nor the images are there, or they are broken.
    """
    kind = COLOR_SETS[dataset]

    def at_hand() -> AtHand:
        build = functools.partial(_build_found, dataset, image_size, resize_filter)
        return kind.located(), build

    return load_or_build(cache_file(dataset, image_size, resize_filter), at_hand)


def _build_found(dataset: str, image_size: int, resize_filter: str) -> ImageStore:
    return build_color(dataset, COLOR_SETS[dataset].source(), image_size, resize_filter)


def build_color(
    dataset: str, source: ColorSource, image_size: int, resize_filter: str
) -> ImageStore:
    """Decode and resize all images; progress on stderr if it takes more than a few seconds."""
    kind = COLOR_SETS[dataset]
    classes, of_each = kind.classes, kind.of_each
    images = np.empty((len(classes), of_each, 3, image_size, image_size), np.uint8)

    def pack(i: int) -> bytes:
        """Fill row i of `images`; return the sha256 of the decoded images of the class."""
        original = hashlib.sha256()
        for k, (where, image) in enumerate(source.images(classes[i].name)):
            original.update(f"{image.size}".encode() + image.tobytes())
            images[i, k] = fit(image, image_size, resize_filter, where)
        return original.digest()

    hasher = hashlib.sha256()
    progress = Progress(f"reading images of {dataset}", len(classes) * of_each)
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        for i, original in enumerate(pool.map(pack, range(len(classes)))):
            hasher.update(classes[i].name.encode() + original)
            progress.update((i + 1) * of_each)
    finally:
        pool.shutdown(cancel_futures=True)  # after a broken image the others need not be read
    progress.close()
    names = ""
    if KNOWN[dataset].names and isinstance(source, ImageFiles):
        names = names_digest(source)
    part = np.array([PARTS.index(c.part) for c in classes], np.uint8)
    return ImageStore(
        dataset=dataset,
        images=images,
        class_names=tuple(c.name for c in classes),
        part=part,
        source_digest=hasher.hexdigest(),
        synthetic=False,
        train_statistics=train_statistics(images, part),
        names_digest=names,
    )
