"""Generated colour textures of mini-ImageNet's classes and split, so that runs need no images.

Never for a verdict.
"""

from __future__ import annotations

import numpy as np

from harness.data.store import ImageStore, train_statistics

CLASSES = {"train": 64, "val": 16, "test": 20}
IMAGES = 40
GRATINGS = 2


def make_textures(image_size: int) -> ImageStore:
    """Draw 100 classes x 40 images, uint8 [100, 40, 3, size, size], always the same ones.

    A class is the sum of two sinusoidal gratings, each with its own frequency (at most four waves a
    side) and colour; an image has its own phases and brightness.
    """
    rng = np.random.default_rng(np.random.SeedSequence(20170307, spawn_key=(image_size,)))
    n = sum(CLASSES.values())
    waves = 2 * np.pi * rng.uniform(-4, 4, (n, 1, GRATINGS, 2))
    color = rng.uniform(-55, 55, (n, GRATINGS, 3))
    base = rng.uniform(90, 165, (n, 1, 3)) + rng.uniform(-10, 10, (n, IMAGES, 1))
    phase = rng.uniform(0, 2 * np.pi, (n, IMAGES, GRATINGS, 1))
    at = np.arange(image_size) / image_size
    images = np.empty((n, IMAGES, 3, image_size, image_size), np.uint8)
    for i in range(n):
        # sin(a + b) from sines and cosines of rows and columns: no sine for each pixel.
        rows, columns = waves[i, ..., :1] * at + phase[i], waves[i, ..., 1:] * at
        grating = np.sin(rows)[..., None] * np.cos(columns)[..., None, :]
        grating += np.cos(rows)[..., None] * np.sin(columns)[..., None, :]
        pixels = np.einsum("ngyx,gc->ncyx", grating, color[i]) + base[i][..., None, None]
        images[i] = np.rint(pixels.clip(0, 255))
    part = np.repeat(np.arange(3), list(CLASSES.values())).astype(np.uint8)
    return ImageStore(
        dataset="textures",
        images=images,
        class_names=tuple(f"texture{i:03d}" for i in range(n)),
        part=part,
        source_digest="",
        synthetic=True,
        train_statistics=train_statistics(images, part),
    )
