"""Where a convolution's windows lie, and in which order its kernel is computed with."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F


def pack_kernel(w: Tensor) -> Tensor:
    """Return a kernel [O, C, h, w] as the matrix [h * w * C, O] that windows are multiplied
    with."""
    return w.permute(2, 3, 1, 0).flatten(0, 2)


def unpack_kernel(w: Tensor, shape: torch.Size) -> Tensor:
    """Undo `pack_kernel`; `shape` is [O, C, h, w]."""
    o, c, h, k = shape
    return w.view(h, k, c, o).permute(3, 2, 0, 1)


@dataclass(frozen=True)
class Geometry:
    """A convolution's window, stride and padding, in pixels."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    sides: tuple[int, int, int, int]
    """Zeros around the image: left, right, top, bottom."""

    def padded(self, sides: tuple[int, int, int, int]) -> Geometry:
        """Return the same convolution of images with zeros around them."""
        left, right, top, bottom = (a + b for a, b in zip(self.sides, sides, strict=True))
        return replace(self, sides=(left, right, top, bottom))

    def out(self, shape: torch.Size) -> tuple[int, int]:
        """Return the height and width of the output for images [T, S, H, W, C]."""
        left, right, top, bottom = self.sides
        h = (shape[2] + top + bottom - self.kernel[0]) // self.stride[0] + 1
        return h, (shape[3] + left + right - self.kernel[1]) // self.stride[1] + 1

    def surrounded(self, x: Tensor) -> Tensor:
        """Put the zeros around images [T, S, H, W, C]."""
        return F.pad(x, (0, 0, *self.sides)) if any(self.sides) else x

    def inner(self, x: Tensor, shape: torch.Size) -> Tensor:
        """Cut images of `shape` out of images with zeros, or more, around them."""
        left, _, top, _ = self.sides
        return x[:, :, top : top + shape[2], left : left + shape[3]]
