"""Omniglot (Lake et al. 2015) as a packed store, built once for each size and resize filter."""

from __future__ import annotations

import hashlib

import numpy as np

from harness.data.cache_file import AtHand, cache_file, load_or_build
from harness.data.omniglot_classes import DRAWINGS, SIDE, omniglot_classes
from harness.data.omniglot_decode import decode, resize
from harness.data.omniglot_source import OmniglotSource, find_omniglot, read_drawings
from harness.data.store import ImageStore
from harness.progress import Progress


def load_omniglot(image_size: int, resize_filter: str) -> ImageStore:
    """Return the store from the cache, or build it from the images and keep it there.

    Raises HarnessError where neither the cache nor the images are there, or they are broken.
    """

    def at_hand() -> AtHand:
        source = find_omniglot()
        return source.located(), lambda: build_omniglot(source, image_size, resize_filter)

    return load_or_build(cache_file("omniglot", image_size, resize_filter), at_hand)


def build_omniglot(source: OmniglotSource, image_size: int, resize_filter: str) -> ImageStore:
    """Decode and resize all drawings; progress on stderr if it takes more than a few seconds."""
    classes = omniglot_classes()
    images = np.empty((len(classes), DRAWINGS, image_size, image_size), np.uint8)
    original = hashlib.sha256()
    progress = Progress("reading Omniglot drawings", len(classes) * DRAWINGS)
    drawings = zip(images, classes, read_drawings(source), strict=True)
    for i, (row, c, (name, pngs)) in enumerate(drawings):
        where = source.background if c.background else source.evaluation
        original.update(name.encode())
        for drawer, png in enumerate(pngs):
            image = decode(png, SIDE, f"{where}: drawing {drawer + 1} of {name}")
            original.update(np.packbits(resize(image, SIDE, "nearest") > 127).tobytes())
            row[drawer] = resize(image, image_size, resize_filter)
        progress.update((i + 1) * DRAWINGS)
    progress.close()
    return ImageStore(
        dataset="omniglot",
        images=images,
        class_names=tuple(c.name for c in classes),
        part=np.array([c.background for c in classes], np.uint8),
        source_digest=original.hexdigest(),
        synthetic=False,
    )
