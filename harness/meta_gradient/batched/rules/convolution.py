"""Convolutions with one kernel for all tasks or one per task.

All that a gradient or a Hessian-vector product needs of a convolution are three products: of images
and kernel, of images and output gradient, of output gradient and kernel. There are two ways to
them: `windows` and `planes`.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from harness.meta_gradient.batched.rules.geometry import Geometry
from harness.meta_gradient.batched.rules.planes import Planes
from harness.meta_gradient.batched.rules.products import over_examples
from harness.meta_gradient.batched.rules.rule import Maybe, Rule, Second, Tensors, Wanted
from harness.meta_gradient.batched.rules.windows import Windows

PLANES_FROM_BYTES = 2 * 2**20
"""From this size of one task's windows on, a CPU takes torch's own kernels: measured on 2 cores,
windows were faster at 0.6 MiB and slower at 2.2 (`tests/bench/test_two_ways_ratios.py`)."""


class Convolution(Rule):
    """A packed kernel [h * w * C, O] over images [T, S, H, W, C], with or without a bias [O]."""

    def __init__(self, geometry: Geometry, bias: bool, inert_bias: bool = False) -> None:
        """`inert_bias`: a batch norm follows, which takes any offset away, so that the bias has no
        effect and the gradient zero."""
        self.geometry, self.bias, self.inert_bias = geometry, bias, inert_bias

    def padded(self, sides: tuple[int, int, int, int]) -> Convolution:
        """Return the same convolution of images with zeros around them."""
        return Convolution(self.geometry.padded(sides), self.bias, self.inert_bias)

    def has_large_tasks(self, x: Tensor) -> bool:
        """Return whether the windows of one task's images in x reach `PLANES_FROM_BYTES`."""
        oh, ow = self.geometry.out(x.shape)
        kh, kw = self.geometry.kernel
        entries = x.shape[1] * oh * ow * kh * kw * x.shape[-1]
        return entries * x.element_size() >= PLANES_FROM_BYTES

    def _images(self, x: Tensor) -> Windows | Planes:
        large = x.device.type == "cpu" and self.has_large_tasks(x)
        return (Planes if large else Windows).of(self.geometry, x)

    def forward(self, xs: Tensors, ps: Tensors) -> tuple[Tensor, Any]:
        """Return [T, S, h', w', O]; keeps what products with the images read."""
        (x,) = xs
        images = self._images(x)
        y = images.times(ps[0])
        if self.bias and not self.inert_bias:
            y += ps[1].unsqueeze(1) if ps[1].dim() == 2 else ps[1]
        return y.view(*x.shape[:2], *self.geometry.out(x.shape), -1), images

    def backward(self, saved: Any, g: Tensor, ps: Tensors, wanted: Wanted) -> tuple[Maybe, Maybe]:
        """Return the derivatives by images, kernel and bias."""
        flat = g.flatten(1, 3)
        gx = saved.back([(flat, ps[0])]) if wanted.inputs else None
        gw = saved.across(flat, wanted.summed[0]) if wanted.params[0] else None
        return [gx], [gw, *self._by_bias(flat, wanted)]

    def _by_bias(self, g: Tensor, wanted: Wanted) -> Maybe:
        if not self.bias:
            return []
        if not wanted.params[1]:
            return [None]
        if self.inert_bias:
            shape = g.shape[-1:] if wanted.summed[1] else (g.shape[0], g.shape[-1])
            return [g.new_zeros(shape)]
        return [over_examples(g, wanted.summed[1])]

    def tangent(self, saved: Any, dxs: Maybe, ps: Tensors, dps: Maybe) -> tuple[Tensor, Any]:
        """By the product rule; keeps what products with the images' tangent read."""
        (dx,), dw = dxs, dps[0]
        moved = None if dx is None else self._images(dx)
        dy = None if moved is None else moved.times(ps[0])
        if dw is not None:
            dy = saved.times(dw) if dy is None else saved.add_times(dy, dw)
        oh, ow = self.geometry.out(saved.shape)
        t, s = saved.shape[:2]
        if dy is None:  # the bias alone moves
            dy = ps[0].new_zeros(t, s * oh * ow, ps[0].shape[-1])
        db = dps[1] if self.bias and not self.inert_bias else None
        if db is not None:
            dy += db.unsqueeze(1) if db.dim() == 2 else db
        return dy.view(t, s, oh, ow, -1), moved

    def backward_tangent(self, at: Second) -> tuple[Maybe, Maybe]:
        """By the product rule on `backward`."""
        saved, wanted = at.saved, at.wanted
        flat, dflat, dw = at.g.flatten(1, 3), at.dg.flatten(1, 3), at.dps[0]
        gw = gx = None
        if wanted.inputs:
            pairs = [(dflat, at.ps[0])]
            gx = saved.back(pairs if dw is None else [*pairs, (flat, dw)])
        if wanted.params[0]:
            gw = saved.across(dflat, wanted.summed[0])
            if at.dsaved is not None:
                at.dsaved.add_across(gw, flat)
        return [gx], [gw, *self._by_bias(dflat, wanted)]
