"""A convolution's products by torch's own kernels: best where a task has much of large images.

They read an image once, where gathered windows are kh * kw times its size. But they take one
kernel at a time: with one per task there is a call per task, which only pays where a task is about
a millisecond of work or more (`tests/bench/test_two_ways_ratios.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from harness.meta_gradient.batched.rules.geometry import Geometry, pack_kernel, unpack_kernel
from harness.meta_gradient.batched.rules.products import stacked


@dataclass(frozen=True)
class Planes:
    """What products with images read: the images [T, S, H, W, C] themselves, padded where torch
    has no name for the padding. P = S * h' * w', as for `Windows`."""

    geometry: Geometry
    shape: torch.Size
    """Of the images before padding."""
    x: Tensor

    @classmethod
    def of(cls, geometry: Geometry, x: Tensor) -> Planes:
        """Take them as they are, where the padding is the same on opposite sides."""
        shape = x.shape
        x = x if _even(geometry) else geometry.surrounded(x)
        return cls(geometry, shape, x.contiguous())

    def times(self, w: Tensor) -> Tensor:
        """Return the convolution with the packed kernel w: [T, P, O]."""
        padding = self._padding()
        if w.dim() == 2:
            y = torch.conv2d(
                _nchw(self.x.flatten(0, 1)), self._kernel(w), None, self.geometry.stride, padding
            )
            return _nhwc(y).reshape(len(self.x), -1, w.shape[-1])
        each = [
            torch.conv2d(_nchw(x), self._kernel(one), None, self.geometry.stride, padding)
            for x, one in zip(self.x, w, strict=True)
        ]
        return stacked([_nhwc(y).flatten(0, 2) for y in each])

    def add_times(self, to: Tensor, w: Tensor) -> Tensor:
        """Add `times(w)` to `to`, in place."""
        return to.add_(self.times(w))

    def across(self, g: Tensor, summed: bool) -> Tensor:
        """Return the derivative by the packed kernel for g [T, P, O]: per task, or `summed`."""
        g = self._outputs(g)
        if summed:
            return self._by_kernel(self.x.flatten(0, 1), g.flatten(0, 1))
        return stacked([self._by_kernel(x, one) for x, one in zip(self.x, g, strict=True)])

    def add_across(self, to: Tensor, g: Tensor) -> Tensor:
        """Add `across(g)` to `to`, in place."""
        return to.add_(self.across(g, to.dim() == 2))

    def back(self, pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Return the derivative by the images: the sum over pairs of (g [T, P, O], kernel)."""
        total: Tensor | None = None
        for g, w in pairs:
            one = self._by_images(self._outputs(g), w)
            total = one if total is None else total.add_(one)
        assert total is not None
        return total if _even(self.geometry) else self.geometry.inner(total, self.shape)

    def _by_images(self, g: Tensor, w: Tensor) -> Tensor:
        if w.dim() == 2:
            gradient = self._gradient(
                self.x.flatten(0, 1), g.flatten(0, 1), self._kernel(w), images=True
            )
            return _nhwc(gradient).reshape(self.x.shape)
        each = [
            self._gradient(x, one, self._kernel(kernel), images=True)
            for x, one, kernel in zip(self.x, g, w, strict=True)
        ]
        return stacked([_nhwc(gradient) for gradient in each])

    def _by_kernel(self, x: Tensor, g: Tensor) -> Tensor:
        # Only the shape of the kernel is read.
        kernel = x.new_empty(1).expand(g.shape[-1], x.shape[-1], *self.geometry.kernel)
        return pack_kernel(self._gradient(x, g, kernel, images=False))

    def _gradient(self, x: Tensor, g: Tensor, kernel: Tensor, images: bool) -> Tensor:
        by_images, by_kernel, _ = torch.ops.aten.convolution_backward(
            _nchw(g),
            _nchw(x),
            kernel,
            None,
            self.geometry.stride,
            self._padding(),
            [1, 1],
            False,
            [0, 0],
            1,
            [images, not images, False],
        )
        gradient: Tensor = by_images if images else by_kernel
        return gradient

    def _padding(self) -> tuple[int, int]:
        left, _, top, _ = self.geometry.sides
        return (top, left) if _even(self.geometry) else (0, 0)

    def _outputs(self, g: Tensor) -> Tensor:
        """See [T, P, O] as [T, S, h', w', O]."""
        return g.view(*self.shape[:2], *self.geometry.out(self.shape), -1)

    def _kernel(self, w: Tensor) -> Tensor:
        shape = torch.Size((w.shape[-1], self.shape[-1], *self.geometry.kernel))
        return unpack_kernel(w, shape).contiguous(memory_format=torch.channels_last)


def _even(geometry: Geometry) -> bool:
    left, right, top, bottom = geometry.sides
    return left == right and top == bottom and min(left, top) >= 0


def _nchw(x: Tensor) -> Tensor:
    return x.permute(0, 3, 1, 2)


def _nhwc(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)
