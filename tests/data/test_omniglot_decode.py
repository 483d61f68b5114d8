from __future__ import annotations

import numpy as np
import pytest

from harness.data.omniglot_decode import RESIZE_FILTERS, decode, resize
from harness.errors import HarnessError

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def drawing():
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 2, (105, 105)).astype(np.uint8) * 255).convert("1")


def test_pillow_resizes_one_bit_images_by_nearest_whatever_is_asked(drawing):
    nearest = np.asarray(drawing.resize((28, 28), Image.Resampling.NEAREST))
    for name in ("BOX", "BILINEAR", "BICUBIC", "LANCZOS"):
        resized = np.asarray(drawing.resize((28, 28), Image.Resampling[name]))
        np.testing.assert_array_equal(resized, nearest)


def test_our_filters_mean_what_they_say(drawing):
    resized = {name: resize(drawing, 28, name) for name in RESIZE_FILTERS}
    one_bit = np.asarray(drawing.resize((28, 28), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(resized["nearest"], np.where(one_bit, 0, 255))
    assert set(np.unique(resized["nearest"])) == {0, 255}
    for name in RESIZE_FILTERS[1:]:
        assert len(np.unique(resized[name])) > 10
    assert len({resized[name].tobytes() for name in RESIZE_FILTERS}) == len(RESIZE_FILTERS)


def test_ink_is_255_and_full_size_is_untouched(drawing):
    resized = resize(drawing, 105, "lanczos")
    np.testing.assert_array_equal(resized, np.where(np.asarray(drawing), 0, 255))


@pytest.mark.parametrize("cut", [0, 10, 60])
def test_corrupt_png(drawing, tmp_path, cut):
    drawing.save(tmp_path / "a.png")
    with pytest.raises(HarnessError, match="drawing 3 is not a readable PNG"):
        decode((tmp_path / "a.png").read_bytes()[:cut], 105, "drawing 3")


def test_wrong_shape(drawing, tmp_path):
    drawing.resize((100, 105)).save(tmp_path / "a.png")
    with pytest.raises(HarnessError, match=r"is \(100, 105\) pixels, wanted \(105, 105\)"):
        decode((tmp_path / "a.png").read_bytes(), 105, "drawing 3")
