"""Generated glyphs of Omniglot's shape, so that tests run without data. Never for a verdict."""

from __future__ import annotations

import numpy as np

from harness.data.store import ImageStore

ALPHABETS, CHARACTERS, DRAWINGS = 8, 20, 20
BACKGROUND_ALPHABETS = 5
STROKES, POINTS = 3, 60


def make_glyphs(image_size: int) -> ImageStore:
    """Draw 160 classes x 20 drawings, uint8 [160, 20, size, size], always the same ones.

    A class is three quadratic Bezier strokes; a drawing shifts each of their nine control points
    a little and the whole by up to a twentieth of the side.
    """
    rng = np.random.default_rng(np.random.SeedSequence(20160613, spawn_key=(image_size,)))
    n = ALPHABETS * CHARACTERS
    control = rng.uniform(0.15, 0.85, (n, 1, STROKES, 3, 2))
    jitter = rng.uniform(-0.04, 0.04, (n, DRAWINGS, STROKES, 3, 2))
    shift = rng.uniform(-0.05, 0.05, (n, DRAWINGS, 1, 1, 2))
    t = np.linspace(0, 1, POINTS)[:, None]
    a, b, c = np.moveaxis((control + jitter + shift)[:, :, :, None], 4, 0)
    strokes = (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c  # [n, drawings, strokes, points, 2]
    pixels = np.clip((strokes * image_size).astype(np.int64), 0, image_size - 2)
    y, x = pixels.reshape(n * DRAWINGS, -1, 2).transpose(2, 0, 1)
    images = np.zeros((n * DRAWINGS, image_size, image_size), np.uint8)
    row = np.arange(n * DRAWINGS)[:, None]
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):  # a pen two pixels wide
        images[row, y + dy, x + dx] = 255
    return ImageStore(
        dataset="glyphs",
        images=images.reshape(n, DRAWINGS, image_size, image_size),
        class_names=tuple(
            f"Glyphs_{alphabet}/character{character:02d}"
            for alphabet in range(1, ALPHABETS + 1)
            for character in range(1, CHARACTERS + 1)
        ),
        part=(np.arange(n) < BACKGROUND_ALPHABETS * CHARACTERS).astype(np.uint8),
        source_digest="",
        synthetic=True,
    )
