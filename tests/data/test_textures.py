from __future__ import annotations

import numpy as np

from harness.data.color_classes import color_classes
from harness.data.splits import dataset_split
from harness.data.textures import make_textures


def test_shape_split_and_repeatable():
    store = make_textures(32)
    assert store.images.shape == (100, 40, 3, 32, 32)
    assert store.images.dtype == np.uint8
    assert store.image_shape == (3, 32, 32)
    assert store.synthetic
    split = dataset_split(store)
    wanted = [
        sum(c.part == p for c in color_classes("mini-imagenet")) for p in ("train", "val", "test")
    ]
    assert [len(split.train), len(split.val), len(split.test)] == wanted
    assert make_textures(32).digest == store.digest != make_textures(20).digest


def test_a_class_can_be_told_from_the_others_but_not_without_looking():
    images = make_textures(16).images.astype(np.float64)
    spectrum = np.abs(np.fft.fft2(images)).reshape(100, 40, -1)
    means = spectrum[:, :20].mean(1)
    distance = ((spectrum[:, 20][:, None] - means) ** 2).sum(-1)
    assert (distance.argmin(1) == np.arange(100)).mean() > 0.8
    brightness = images.mean((2, 3, 4))
    assert (
        np.abs(brightness[:, 20][:, None] - brightness[:, :20].mean(1)).argmin(1) == np.arange(100)
    ).mean() < 0.5
