from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from replications.mann.turned_drawings import (
    SHIFT_PIXELS,
    TURN_DEGREES,
    draw_turns_and_shifts,
    look_up,
)

SIDE = 105


def drawing(seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random((SIDE, SIDE)) < 0.3).astype(np.uint8) * 255


def plain(image: np.ndarray, degrees: float, shift: tuple[int, int], size: int) -> np.ndarray:
    """Pixel by pixel; x to the right, y up, turned counterclockwise and then shifted."""
    turned = np.zeros((size, size), np.uint8)
    angle = math.radians(degrees)
    for i in range(size):
        for j in range(size):
            x = (j + 0.5) * SIDE / size - SIDE / 2 - shift[0]
            y = -((i + 0.5) * SIDE / size - SIDE / 2 - shift[1])
            # Turned back, so clockwise.
            from_x = x * math.cos(angle) + y * math.sin(angle)
            from_y = -x * math.sin(angle) + y * math.cos(angle)
            column, row = math.floor(from_x + SIDE / 2), math.floor(SIDE / 2 - from_y)
            if 0 <= column < SIDE and 0 <= row < SIDE:
                turned[i, j] = image[row, column]
    return turned


def looked_up(image: np.ndarray, degrees: float, shift: tuple[int, int], size: int) -> np.ndarray:
    rows = torch.tensor([0])
    how = torch.tensor([degrees]), torch.tensor([shift], dtype=torch.int8)
    turned = look_up(torch.from_numpy(image.reshape(1, -1)), rows, *how, size)
    return turned[0].numpy()


@given(
    st.floats(-180, 180, width=32),
    st.tuples(*[st.integers(-SHIFT_PIXELS, SHIFT_PIXELS)] * 2),
    st.sampled_from([20, 28, 105]),
)
def test_it_is_what_a_plain_loop_makes(degrees, shift, size):
    image = drawing()
    turned, expected = (f(image, degrees, shift, size) for f in (looked_up, plain))
    # float32 here, float64 there: a point on the edge of two pixels may fall into either.
    assert (turned != expected).mean() < 0.02


def test_it_is_what_torchs_sampling_gives():
    images = torch.from_numpy(np.stack([drawing(k) for k in range(50)]))
    degrees, shifts = map(torch.from_numpy, draw_turns_and_shifts((50,), np.random.default_rng(0)))
    degrees += 90 * torch.randint(4, (50,), generator=torch.Generator().manual_seed(0))
    turned = look_up(images.flatten(1), torch.arange(50), degrees, shifts, 20)
    angle = degrees * (math.pi / 180)
    c, s = angle.cos(), angle.sin()
    x, y = (shifts.float() * (2 / SIDE)).unbind(1)
    rows = [torch.stack([c, -s, s * y - c * x], 1), torch.stack([s, c, -s * x - c * y], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), [50, 1, 20, 20], align_corners=False)
    sampled = F.grid_sample(images[:, None].float(), grid, mode="nearest", align_corners=False)
    # Both in float32: a point on the edge of two pixels may fall into either.
    assert (turned != sampled[:, 0].to(torch.uint8)).float().mean() < 1e-3


@pytest.mark.parametrize("turns", range(4))
def test_quarter_turns_are_those_of_torch(turns):
    image = drawing()
    turned = looked_up(image, 90.0 * turns, (0, 0), SIDE)
    assert (turned == np.rot90(image, turns)).all()


def test_a_shift_goes_right_and_down_and_leaves_paper_behind():
    image = drawing()
    shifted = looked_up(image, 0.0, (10, 4), SIDE)
    assert (shifted[4:, 10:] == image[:-4, :-10]).all()
    assert not shifted[:4].any()
    assert not shifted[:, :10].any()


def test_each_gets_its_own():
    images = np.stack([drawing(k) for k in range(3)])
    rows, degrees = torch.tensor([2, 0, 2, 1]), torch.tensor([0.0, 7.0, -90.0, 11.0])
    shifts = torch.tensor([[0, 0], [1, -2], [3, 0], [-10, 10]], dtype=torch.int8)
    turned = look_up(torch.from_numpy(images.reshape(3, -1)), rows, degrees, shifts, 20)
    for k in range(4):
        one = looked_up(images[rows[k]], float(degrees[k]), tuple(shifts[k].tolist()), 20)
        assert (turned[k].numpy() == one).all()


def test_turns_and_shifts_are_uniform():
    degrees, shifts = draw_turns_and_shifts((4000, 5), np.random.default_rng(0))
    assert degrees.dtype == np.float32
    assert stats.kstest(degrees.ravel(), "uniform", (-TURN_DEGREES, 2 * TURN_DEGREES)).pvalue > 1e-3
    for axis in range(2):
        counts = np.bincount(shifts[..., axis].ravel().astype(int) + SHIFT_PIXELS)
        assert len(counts) == 2 * SHIFT_PIXELS + 1
        assert stats.chisquare(counts).pvalue > 1e-3
