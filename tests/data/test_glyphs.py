from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from harness.data.glyphs import make_glyphs


def test_shape_and_ink():
    store = make_glyphs(28)
    assert store.images.shape == (160, 20, 28, 28)
    assert store.images.dtype == np.uint8
    assert set(np.unique(store.images)) == {0, 255}
    assert 0.05 < (store.images / 255).mean() < 0.2
    assert store.synthetic
    assert list(store.class_names) == sorted(store.class_names)
    assert make_glyphs(20).images.shape == (160, 20, 20, 20)


@pytest.fixture(scope="module")
def without_pillow():
    """Another process, in which Pillow cannot be imported."""
    code = (
        "import sys; sys.modules['PIL'] = None\n"
        "import harness.tasks.image_episodes\n"
        "from harness.data.datasets import load_store\n"
        "print(load_store('glyphs', 28, 'nearest').digest)\n"
        "from harness.data.omniglot_decode import decode\n"
        "decode(b'', 105, 'x')"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_the_same_in_another_process(without_pillow):
    assert without_pillow.stdout.strip() == make_glyphs(28).digest


def test_a_class_can_be_told_from_the_others():
    images = make_glyphs(28).images.reshape(160, 20, -1) / 255
    means = images[:, :10].mean(1)
    distance = ((images[:, 10][:, None] - means) ** 2).sum(-1)
    assert (distance.argmin(1) == np.arange(160)).mean() > 0.8


def test_needs_no_pillow(without_pillow):
    assert len(without_pillow.stdout.strip()) == 64
    assert "Pillow is needed" in without_pillow.stderr
