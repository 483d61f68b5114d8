from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from replications.siamese.affine_distortions import AffineRanges, distort, draw_distortions

RANGES = AffineRanges(rotation=10.0, shear=0.3, scale=0.2, shift=2.0, probability=0.5)
NOTHING = [0.0, 0, 0, 1, 1, 0, 0]


def test_components_are_uniform_in_their_ranges_and_left_out_half_the_time() -> None:
    drawn = draw_distortions((20000, 2), RANGES, np.random.default_rng(0))
    assert drawn.shape == (20000, 2, 7)
    assert drawn.dtype == np.float32
    off = drawn - np.array(NOTHING, np.float32)
    for i, half in enumerate((10, 0.3, 0.3, 0.2, 0.2, 2, 2)):
        values = off[..., i].ravel()
        assert np.abs(values).max() == pytest.approx(half, rel=0.01)
        assert np.abs(values).max() <= half * (1 + 1e-5)
        assert (values == 0).mean() == pytest.approx(0.5, abs=0.02)
        used = values[values != 0]
        assert used.mean() == pytest.approx(0, abs=0.03 * half)
        assert used.std() == pytest.approx(half / math.sqrt(3), rel=0.02)
    correlation = np.corrcoef(off.reshape(-1, 7).T)
    assert np.abs(correlation - np.eye(7)).max() < 0.03


def test_probability_zero_is_no_distortion() -> None:
    never = AffineRanges(10.0, 0.3, 0.2, 2.0, 0.0)
    drawn = draw_distortions((3,), never, np.random.default_rng(0))
    assert drawn.tolist() == [NOTHING] * 3
    x = torch.rand(3, 1, 21, 21)
    torch.testing.assert_close(distort(x, torch.from_numpy(drawn)), x)


@pytest.mark.parametrize(
    ("changed", "at"),
    [
        ({}, (14, 10)),
        ({5: 2}, (14, 12)),  # to the right
        ({6: 2}, (16, 10)),  # down
        ({3: 2}, (14, 10)),  # along x, where the point has no way from the centre
        ({4: 1.5}, (16, 10)),
        ({0: 90}, (10, 6)),  # from below the centre to its left: clockwise as seen
        ({1: 0.5}, (14, 12)),  # x gains half of y
        ({2: 0.5}, (14, 10)),  # y gains half of x, which is none
    ],
)
def test_where_a_point_below_the_centre_goes(
    changed: dict[int, float], at: tuple[int, int]
) -> None:
    x = torch.zeros(1, 1, 21, 21)
    x[0, 0, 14, 10] = 1.0
    how = torch.tensor([NOTHING])
    for i, value in changed.items():
        how[0, i] = value
    y = distort(x, how)[0, 0]
    place = divmod(int(y.argmax()), 21)
    assert place == at
    assert y.max() > 0.6


def test_each_image_has_a_distortion_of_its_own() -> None:
    x = torch.rand(2, 1, 15, 15)
    how = torch.tensor([NOTHING, [0.0, 0, 0, 1, 1, 3, 0]])
    both = distort(x, how)
    torch.testing.assert_close(both[0], x[0])
    torch.testing.assert_close(both[1, :, :, 3:], x[1, :, :, :-3])
    assert both[1, :, :, :3].abs().max() < 1e-5, "what comes in is empty"
