"""The batch norm of each task's own examples."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from harness.meta_gradient.batched.rules.batch_norm_standardised import Standardised, dot, flat, row
from harness.meta_gradient.batched.rules.rule import Maybe, Rule, Second, Tensors, Wanted


class BatchNorm(Rule):
    """(x - mean) / sqrt(var + eps) over a task's examples and positions, then scale and offset.

    `scale` and `offset` say which parameters there are, in this order.
    """

    def __init__(self, eps: float, scale: bool, offset: bool) -> None:
        self.eps, self.scale, self.offset = eps, scale, offset

    def _named(self, ps: Any) -> tuple[Any, Any]:
        return (ps[0] if self.scale else None), (ps[-1] if self.offset else None)

    def forward(self, xs: Tensors, ps: Tensors) -> tuple[Tensor, Any]:
        """Return the normalised input, scaled and shifted."""
        y, standardised = Standardised.of(flat(xs[0]), self.eps, *self._named(ps))
        return y.view(xs[0].shape), (standardised, xs[0].shape)

    def backward(self, saved: Any, g: Tensor, ps: Tensors, wanted: Wanted) -> tuple[Maybe, Maybe]:
        """Return the derivatives by x, scale and offset."""
        scale, _ = self._named(ps)
        by_x, by_both = saved[0].back(flat(g), scale, self._both(wanted))
        return [None if by_x is None else by_x.view(g.shape)], self._own(by_both, wanted)

    def _both(self, wanted: Wanted) -> Wanted:
        """Return whether scale and offset are wanted; False for one that is not there."""
        scale, offset = self._named(wanted.params)
        return Wanted([bool(scale), bool(offset)], [], wanted.inputs)

    def _own(self, by_both: Maybe, wanted: Wanted) -> Maybe:
        """Pick the parameters there are, summed over tasks where that is wanted."""
        there = [g for g, has in zip(by_both, (self.scale, self.offset), strict=True) if has]
        return [
            g.sum(0) if g is not None and summed else g
            for g, summed in zip(there, wanted.summed, strict=True)
        ]

    def tangent(self, saved: Any, dxs: Maybe, ps: Tensors, dps: Maybe) -> tuple[Tensor, Any]:
        """Return y's tangent; keeps z's and how n moves."""
        (x, shape), (dx,) = saved, dxs
        scale, _ = self._named(ps)
        dscale, doffset = self._named(dps)
        dz = dn = None
        if dx is None:
            dy = torch.zeros_like(x.z)
        else:
            dz, along = x.project(flat(dx))
            dn = along.mul_(x.n).neg_()  # the tangent of n, over n
            # Never dz itself: it is kept, and the next layer may overwrite what it is given.
            dy = dz.clone() if scale is None else dz * row(scale)
        if dscale is not None:
            dy.addcmul_(x.z, row(dscale))
        if doffset is not None:
            dy += row(doffset)
        return dy.view(shape), (dz, dn)

    def backward_tangent(self, at: Second) -> tuple[Maybe, Maybe]:
        """Return the tangents of what `backward` gives."""
        (x, shape), (dz, dn), wanted = at.saved, at.dsaved, at.wanted
        z, n = x.z, x.n
        scale, _ = self._named(at.ps)
        dscale, _ = self._named(at.dps)
        g, dg = flat(at.g), flat(at.dg)
        by_scale, by_offset = self._both(wanted).params
        gradients: Maybe = [None, dg.sum(1) if by_offset else None]
        if by_scale:
            moved = dg * z
            gradients[0] = (moved if dz is None else moved.addcmul_(g, dz)).sum(1)
        dgps = self._own(gradients, wanted)
        if not wanted.inputs:
            return [None], dgps
        # From here on g and its tangent are by z, not by y.
        dgz = dg if scale is None else dg * row(scale)
        gz = g if scale is None else g * row(scale)
        if dscale is not None:
            dgz = torch.addcmul(dgz, g, row(dscale))
        if dz is None:
            return [x.project(dgz)[0].view(shape)], dgps
        along = dot(z, gz)
        dalong = dot(z, dgz) + dot(gz, dz)
        mean = gz.mean(1, keepdim=True)
        # With inside = gz - mean - z along: n times its tangent plus its product with n's. Terms
        # are ordered by what they multiply, for each of them is a pass over memory.
        shift = dgz.mean(1, keepdim=True).addcmul_(mean, dn)
        dx = torch.addcmul(-shift * n, dgz, n).addcmul_(gz, dn * n)
        dx.addcmul_(dz, along * n, value=-1)
        dx.addcmul_(z, dalong.addcmul_(along, dn).mul_(n), value=-1)
        return [dx.view(shape)], dgps
