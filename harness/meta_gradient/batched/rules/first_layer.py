"""A first convolution with few inputs a window, and the batch norm behind it, as one layer.

The windows X of a task's images do not depend on parameters, and have few columns (9 for grey
images and a 3 x 3 kernel). What the batch norm needs of the convolution X w is then known without
it: with centred windows its mean is zero and its variance w' C w, for their covariance C. So the
layer is one product of windows with a small matrix,

    y = [X 1] A,  A = [B scale; offset],  B = w n,  n = 1 / sqrt(w' C w + eps) for each channel,

and of the loss's derivative g by y only [X 1]' g is needed: all the rest is done on matrices of
that small size. A batch norm by itself goes over all channels at all positions a dozen times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from harness.meta_gradient.batched.rules.batch_norm import BatchNorm
from harness.meta_gradient.batched.rules.convolution import Convolution
from harness.meta_gradient.batched.rules.rule import Maybe, Rule, Tensors, Wanted
from harness.meta_gradient.batched.rules.windows import Windows


@dataclass(frozen=True)
class Narrow:
    """What derivatives need. Small matrices are in float64: a kernel along which the windows hardly
    vary would lose its digits in w' C w."""

    windows: Tensor
    """[T, P, K + 1], centred, with a column of ones."""
    covariance: Tensor
    """[T, K, K]."""
    unit: Tensor
    """B [T, K, O]."""
    seen: Tensor
    """C B [T, K, O]."""
    n: Tensor
    """[T, 1, O]."""
    shape: torch.Size
    """Of the output [T, S, h', w', O]."""

    def times(self, by_entry: Tensor, offset: Tensor | None) -> Tensor:
        """Return [X 1] times [by_entry; offset] for by_entry [T, K, O] and offset [O] or [T, O]."""
        t, k, o = by_entry.shape
        a = self.windows.new_zeros(t, k + 1, o)
        a[:, :k] = by_entry
        if offset is not None:
            a[:, k] = offset
        return torch.bmm(self.windows, a).view(self.shape)

    def across(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """Return X' g [T, K, O] in float64, and the sum of g over positions [T, O]."""
        products = torch.bmm(self.windows.transpose(1, 2), g.flatten(1, 3))
        return products[:, :-1].double(), products[:, -1]

    def pull(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """Return the derivative by the kernel for g by B, and (B' g) of each channel [T, 1, O]."""
        along = _dot(self.unit, g)
        return self.n * (g - self.seen * along), along


class FirstLayer(Rule):
    """The two layers `convolution` and `norm` of the model's input, which has no derivative.

    Parameters: the packed kernel [K, O], the convolution's bias if it has one (without effect),
    then scale and offset as the batch norm has them.
    """

    def __init__(self, convolution: Convolution, norm: BatchNorm) -> None:
        self.convolution, self.norm = convolution, norm

    def _parted(self, ps: Any) -> tuple[Any, Any, Any]:
        """Return what belongs to the kernel, scale and offset (None where there is none)."""
        return (
            ps[0],
            ps[1 + self.convolution.bias] if self.norm.scale else None,
            ps[-1] if self.norm.offset else None,
        )

    def _joined(self, w: Tensor | None, scale: Tensor | None, offset: Tensor | None) -> Maybe:
        """Undo `_parted`; the bias in between is for the caller."""
        bias = [None] * self.convolution.bias
        return [w, *bias, *[scale] * self.norm.scale, *[offset] * self.norm.offset]

    def forward(self, xs: Tensors, ps: Tensors) -> tuple[Tensor, Any]:
        """Return [T, S, h', w', O]."""
        (x,), (w, scale, offset) = xs, self._parted(ps)
        windows = Windows.of(self.convolution.geometry, x).windows
        t, p, k = windows.shape
        with_ones = windows.new_empty(t, p, k + 1)
        torch.sub(windows, windows.mean(1, keepdim=True), out=with_ones[..., :k])
        with_ones[..., k] = 1
        centred = with_ones[..., :k].double()
        covariance = torch.bmm(centred.transpose(1, 2), centred).div_(p)
        kernel = w.double().expand(t, -1, -1)
        n = torch.rsqrt(_dot(kernel, torch.bmm(covariance, kernel)) + self.norm.eps)
        unit = kernel * n
        shape = torch.Size([*x.shape[:2], *self.convolution.geometry.out(x.shape), w.shape[-1]])
        saved = Narrow(with_ones, covariance, unit, torch.bmm(covariance, unit), n, shape)
        return saved.times(_scaled(unit, scale), offset), saved

    def backward(self, saved: Any, g: Tensor, ps: Tensors, wanted: Wanted) -> tuple[Maybe, Maybe]:
        """Return the derivatives by kernel, bias, scale and offset."""
        by_unit, by_offset = saved.across(g)
        _, scale, _ = self._parted(ps)
        gw, _ = saved.pull(_scaled(by_unit, scale))
        by_scale = _dot(saved.unit, by_unit).squeeze(1)
        return [None], self._wanted(self._joined(gw, by_scale, by_offset), ps, g, wanted)

    def _wanted(self, gradients: Maybe, ps: Tensors, g: Tensor, wanted: Wanted) -> Maybe:
        """Return those that are asked for, summed over tasks as they are, in the type of `g`."""
        if self.convolution.bias:
            gradients[1] = g.new_zeros(len(g), g.shape[-1])
        return [
            None if f is None or not asked else (f.sum(0) if summed else f).to(g.dtype)
            for f, asked, summed in zip(gradients, wanted.params, wanted.summed, strict=True)
        ]

    def _moved(self, saved: Narrow, dw: Tensor | None) -> tuple[Tensor, Tensor] | None:
        """Return the tangents of B, and of n over n."""
        if dw is None:
            return None
        dw = dw.double()
        dn = -saved.n * _dot(saved.seen, dw)
        return torch.addcmul(saved.unit * dn, dw, saved.n), dn

    def tangent(self, saved: Any, dxs: Maybe, ps: Tensors, dps: Maybe) -> tuple[Tensor, Any]:
        """Return y's tangent; keeps those of B and n."""
        (_, scale, _), (dw, dscale, doffset) = self._parted(ps), self._parted(dps)
        moved = self._moved(saved, dw)
        da = torch.zeros_like(saved.unit) if moved is None else _scaled(moved[0], scale)
        if dscale is not None:
            da = da + _scaled(saved.unit, dscale)
        return saved.times(da, doffset), moved

    def backward_tangent(
        self,
        saved: Any,
        dsaved: Any,
        g: Tensor,
        dg: Tensor,
        ps: Tensors,
        dps: Maybe,
        wanted: Wanted,
    ) -> tuple[Maybe, Maybe]:
        """Return the tangents of what `backward` gives, by the product rule."""
        (_, scale, _), (_, dscale, _) = self._parted(ps), self._parted(dps)
        (by_unit, _), (dby_unit, dby_offset) = saved.across(g), saved.across(dg)
        gb, dgb = _scaled(by_unit, scale), _scaled(dby_unit, scale)
        if dscale is not None:
            dgb = dgb + _scaled(by_unit, dscale)
        dgw, _ = saved.pull(dgb)
        dby_scale = _dot(saved.unit, dby_unit)
        if dsaved is not None:
            db, dn = dsaved
            gw, along = saved.pull(gb)
            turned = torch.bmm(saved.covariance, db) * along + saved.seen * _dot(db, gb)
            dgw = dgw.addcmul_(saved.n, turned, value=-1).addcmul_(dn, gw)
            dby_scale += _dot(db, by_unit)
        gradients = self._joined(dgw, dby_scale.squeeze(1), dby_offset)
        return [None], self._wanted(gradients, ps, g, wanted)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Return the sum over a window's entries of a * b: [T, 1, O]."""
    return (a * b).sum(1, keepdim=True)


def _scaled(a: Tensor, scale: Tensor | None) -> Tensor:
    """Return a [T, K, O] times a channel's scale [O] or [T, O]."""
    if scale is None:
        return a
    return a * (scale.unsqueeze(1) if scale.dim() == 2 else scale)
