"""A convolution's products by gathered windows (im2col): best for many tasks of small images.

With channels last a row of a window is one run of memory, so that gathering windows is a copy at
nearly the speed of memory, and what remains is one matrix product per task, all tasks in one call.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from harness.meta_gradient.batched.rules.geometry import Geometry
from harness.meta_gradient.batched.rules.products import across, add_across, add_times, times


@dataclass(frozen=True)
class Windows:
    """What products with images [T, S, H, W, C] read: their windows [T, P, kh * kw * C], where
    P = S * h' * w'."""

    geometry: Geometry
    shape: torch.Size
    """Of the images."""
    windows: Tensor

    @classmethod
    def of(cls, geometry: Geometry, x: Tensor) -> Windows:
        """Gather them."""
        (kh, kw), (sh, sw) = geometry.kernel, geometry.stride
        oh, ow = geometry.out(x.shape)
        padded = geometry.surrounded(x).contiguous()
        t, s, h, w, c = padded.shape
        row = w * c
        view = padded.as_strided(
            (t * s, oh, ow, kh, kw * c),
            (h * row, sh * row, sw * c, row, 1),
            padded.storage_offset(),
        )
        return cls(geometry, x.shape, view.reshape(t, s * oh * ow, kh * kw * c))

    def times(self, w: Tensor) -> Tensor:
        """Return the convolution with the packed kernel w: [T, P, O]."""
        return times(self.windows, w)

    def add_times(self, to: Tensor, w: Tensor) -> Tensor:
        """Add `times(w)` to `to`, in place."""
        return add_times(to, self.windows, w)

    def across(self, g: Tensor, summed: bool) -> Tensor:
        """Return the derivative by the packed kernel for g [T, P, O]: per task, or `summed`."""
        return across(self.windows, g, summed)

    def add_across(self, to: Tensor, g: Tensor) -> Tensor:
        """Add `across(g)` to `to`, in place."""
        return add_across(to, self.windows, g)

    def back(self, pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Return the derivative by the images: the sum over pairs of (g [T, P, O], kernel)."""
        (g, w), *more = pairs
        by_windows = times(g, w.transpose(-1, -2))
        for g, w in more:
            add_times(by_windows, g, w.transpose(-1, -2))
        return self._scatter(by_windows)

    def _scatter(self, windows: Tensor) -> Tensor:
        """Add windows [T, P, kh * kw * C] back to where they were taken from."""
        (kh, kw), (sh, sw) = self.geometry.kernel, self.geometry.stride
        left, _, top, _ = self.geometry.sides
        t, s, h, w, c = self.shape
        oh, ow = self.geometry.out(self.shape)
        parts = windows.view(t * s, oh, ow, kh, kw, c)
        # Room for whole strides, so that each stride x stride part of a window is one slice.
        rows = max(oh + -(-kh // sh) - 1, -(-(h + top) // sh))
        columns = max(ow + -(-kw // sw) - 1, -(-(w + left) // sw))
        images = windows.new_empty(t * s, rows, sh, columns, sw, c)
        for i in range(0, kh, sh):
            for j in range(0, kw, sw):
                part = parts[:, :, :, i : i + sh, j : j + sw].transpose(2, 3)
                a, b = i // sh, j // sw
                to = images[:, a : a + oh, : part.shape[2], b : b + ow, : part.shape[4]]
                if i or j:
                    to += part
                else:
                    _clear_around(images, part.shape)
                    to.copy_(part)
        return self.geometry.inner(images.view(t, s, rows * sh, columns * sw, c), self.shape)


def _clear_around(images: Tensor, part: torch.Size) -> None:
    """Zero what the first part does not write."""
    _, oh, a, ow, b, _ = part
    if a < images.shape[2] or b < images.shape[4]:  # a kernel smaller than its stride
        images.zero_()
        return
    images[:, oh:].zero_()
    images[:, :oh, :, ow:].zero_()
