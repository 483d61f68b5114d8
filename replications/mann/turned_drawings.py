"""Drawings turned and shifted at random in full size and then made small, many at once.

Santoro et al. (2016, section 4.1) turn and shift the drawings of Omniglot and do not say how far.
The amounts are those of the best known re-implementation (github.com/snowkylin/ntm, `utils.py`),
which reads the nearest pixel in both steps, too (Pillow's default when resizing, before 7.0). Here
the two are one: a pixel of the small image is the pixel of the large one that it falls on.

torch's `affine_grid` and `grid_sample` give the same pixels (tests), but want whole drawings as
floats: 53 ms for 800 of 105 x 105 on a CPU, where this takes 7.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

TURN_DEGREES = 11.25
"""To both sides at most."""
SHIFT_PIXELS = 10
"""To all sides at most, of a drawing's 105 a side; whole pixels."""


def draw_turns_and_shifts(
    shape: tuple[int, ...], generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw degrees [*shape] float32 and shifts, right and down, [*shape, 2] int8, uniformly."""
    degrees = (2 * generator.random(shape, np.float32) - 1) * np.float32(TURN_DEGREES)
    shifts = generator.integers(-SHIFT_PIXELS, SHIFT_PIXELS, (*shape, 2), np.int8, endpoint=True)
    return degrees, shifts


def look_up(drawings: Tensor, rows: Tensor, degrees: Tensor, shifts: Tensor, size: int) -> Tensor:
    """Return drawings, turned and then shifted, in small: uint8 [B, size, size].

    `drawings` [n, S * S] uint8 with ink as 255, `rows` [B] int64 says which; `degrees` [B] turn
    counterclockwise about the centre, `shifts` [B, 2] are in pixels of the large drawing, to the
    right and down. Without either it is the nearest-neighbour resize; what comes in is paper, 0.
    """
    side = math.isqrt(drawings.shape[1])
    # From an output pixel's centre back to where it came from; y is down.
    at = (torch.arange(size, device=drawings.device) + 0.5) * (side / size) - side / 2
    x, y = (at - shift[:, None] for shift in shifts.float().unbind(1))
    x, y = x[:, None, :], y[:, :, None]
    angle = (degrees * (math.pi / 180))[:, None, None]
    cos, sin = angle.cos(), angle.sin()
    column = ((x * cos + side / 2) - y * sin).floor_()
    row = ((x * sin + side / 2) + y * cos).floor_()
    nearest_column, nearest_row = (c.clamp(0, side - 1) for c in (column, row))
    inside = (nearest_column == column) & (nearest_row == row)
    # Float as long as it is exact: twice as fast as whole numbers on a CPU.
    pixel = nearest_row.mul_(side).add_(nearest_column).long()
    pixel += rows[:, None, None] * side**2
    return drawings.view(-1).index_select(0, pixel.view(-1)).view(pixel.shape).mul_(inside)
