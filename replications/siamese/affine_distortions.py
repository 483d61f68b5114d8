"""Small random affine distortions of drawings (Koch et al. 2015, section 3.2), many at once.

A distortion is (rotation in degrees, shear x, shear y, scale x, scale y, shift x, shift y). Each of
the seven is drawn uniformly from its range and included with some probability; one that is not
included leaves the image as it is in that respect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

COMPONENTS = 7


@dataclass(frozen=True)
class AffineRanges:
    """Half-widths of the ranges, around nothing or, for `scale`, around 1."""

    rotation: float
    """Degrees."""
    shear: float
    scale: float
    shift: float
    """Pixels."""
    probability: float
    """That a component is included."""


def draw_distortions(
    shape: tuple[int, ...], ranges: AffineRanges, generator: np.random.Generator
) -> np.ndarray:
    """Draw distortions [*shape, 7] float32."""
    r = ranges
    half = np.array([r.rotation, *[r.shear] * 2, *[r.scale] * 2, *[r.shift] * 2], np.float32)
    drawn = generator.random((*shape, COMPONENTS), np.float32)
    included = generator.random((*shape, COMPONENTS), np.float32) < r.probability
    drawn -= np.float32(0.5)
    drawn *= 2 * half * included
    drawn[..., 3:5] += 1
    return drawn


def distort(images: Tensor, distortions: Tensor) -> Tensor:
    """Distort [B, 1, S, S] each by its own of [B, 7], about the centre; what comes in is 0.

    Scale first, then shear, then rotation, then shift: x is to the right and y is down, a shift is
    where the drawing moves to. Bilinear; identity distortions give the image up to rounding.
    """
    angle = distortions[:, 0] * (math.pi / 180)
    shear_x, shear_y, scale_x, scale_y, shift_x, shift_y = distortions[:, 1:].unbind(1)
    cos, sin = angle.cos(), angle.sin()
    # Rows of rotation @ shear @ scale; shear is [[1, shear x], [shear y, 1]].
    a = (cos - sin * shear_y) * scale_x
    b = (cos * shear_x - sin) * scale_y
    c = (sin + cos * shear_y) * scale_x
    d = (sin * shear_x + cos) * scale_y
    # An output pixel is looked up where the inverse says it came from.
    determinant = a * d - b * c
    a, b, c, d = d / determinant, -b / determinant, -c / determinant, a / determinant
    half = images.shape[-1] / 2  # grid coordinates run from -1 to 1 over the whole image
    x, y = shift_x / half, shift_y / half
    rows = [torch.stack([a, b, -a * x - b * y], 1), torch.stack([c, d, -c * x - d * y], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)
