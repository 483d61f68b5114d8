"""Normalisation by the statistics of each task's own examples, and a channel's offset."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from harness.meta_gradient.batched.products import over_examples
from harness.meta_gradient.batched.rule import Maybe, Rule, Tensors


def _flat(x: Tensor) -> Tensor:
    """Give [T, P, C]: all examples and positions of a task in one axis."""
    return x.flatten(1, -2)


def _row(p: Tensor) -> Tensor:
    """Give a channel parameter [C] or [T, C] in the shape that broadcasts against [T, P, C]."""
    return p.unsqueeze(1) if p.dim() == 2 else p


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Give the mean over positions of a * b: [T, 1, C]."""
    return (a * b).mean(1, keepdim=True)


class BatchNorm(Rule):
    """(x - mean) / sqrt(var + eps) over a task's examples and positions, then scale and offset.

    `scale` and `offset` say which parameters there are, in this order. With n = 1 / sqrt(var + eps)
    and z the normalised input, the Jacobian v → n (v - mean v - z mean(z v)) is symmetric: it takes
    tangents forward and gradients back.
    """

    def __init__(self, eps: float, scale: bool, offset: bool) -> None:
        self.eps, self.scale, self.offset = eps, scale, offset

    def _named(self, ps: Any) -> tuple[Any, Any]:
        return (ps[0] if self.scale else None), (ps[-1] if self.offset else None)

    def forward(self, xs: Tensors, ps: Tensors) -> tuple[Tensor, Any]:
        """Give the normalised input, scaled and shifted; keeps z and n."""
        x = _flat(xs[0])
        z = x - x.mean(1, keepdim=True)
        n = torch.rsqrt(_dot(z, z) + self.eps)
        z.mul_(n)
        scale, offset = self._named(ps)
        if scale is not None:
            y = z * _row(scale) if offset is None else torch.addcmul(_row(offset), z, _row(scale))
        else:
            y = z.clone() if offset is None else z + _row(offset)
        return y.view(xs[0].shape), (z, n, xs[0].shape)

    def _project(self, v: Tensor, z: Tensor, n: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give n (v - mean v - z mean(z v)), and both means."""
        along = _dot(z, v)
        mean = v.mean(1, keepdim=True)
        # n goes to the terms first: what is one number a channel costs no pass over memory.
        found = torch.addcmul(-mean * n, v, n).addcmul_(z, along * n, value=-1)
        return found, mean, along

    def backward(
        self,
        saved: Any,
        g: Tensor,
        ps: Tensors,
        wanted: list[bool],
        summed: list[bool],
        inputs: bool,
    ) -> tuple[Maybe, Maybe]:
        """Give the derivatives by x, scale and offset."""
        z, n, _ = saved
        flat = _flat(g)
        scale, _ = self._named(ps)
        gps = self._by_parameters(flat, flat * z if self.scale else None, wanted, summed)
        if not inputs:
            return [None], gps
        gz = flat if scale is None else flat * _row(scale)
        return [self._project(gz, z, n)[0].view(g.shape)], gps

    def _by_parameters(
        self, g: Tensor, gz: Tensor | None, wanted: list[bool], summed: list[bool]
    ) -> Maybe:
        parts = [gz] * self.scale + [g] * self.offset
        return [
            over_examples(part, s) if w and part is not None else None
            for part, w, s in zip(parts, wanted, summed, strict=True)
        ]

    def tangent(self, saved: Any, dxs: Maybe, ps: Tensors, dps: Maybe) -> tuple[Tensor, Any]:
        """Give y's tangent; keeps z's and how n moves."""
        z, n, shape = saved
        (dx,) = dxs
        scale, _ = self._named(ps)
        dscale, doffset = self._named(dps)
        dz = dn = None
        dy = torch.zeros_like(z) if dx is None else None
        if dx is not None:
            dz, _, along = self._project(_flat(dx), z, n)
            dn = along.mul_(n).neg_()  # the tangent of n, over n
            dy = dz if scale is None else dz * _row(scale)
        assert dy is not None
        if dscale is not None:
            dy = torch.addcmul(dy, z, _row(dscale))
        if doffset is not None:
            dy = dy + _row(doffset)
        # The next layer may overwrite what it is given, and z's tangent is kept.
        dy = dy.clone() if dy is dz else dy
        return dy.view(shape), (dz, dn)

    def backward_tangent(
        self,
        saved: Any,
        dsaved: Any,
        g: Tensor,
        dg: Tensor,
        ps: Tensors,
        dps: Maybe,
        wanted: list[bool],
        summed: list[bool],
        inputs: bool,
    ) -> tuple[Maybe, Maybe]:
        """Give the tangents of what `backward` gives."""
        (z, n, _), (dz, dn) = saved, dsaved
        scale, _ = self._named(ps)
        dscale, _ = self._named(dps)
        g, dflat = _flat(g), _flat(dg)
        by_scale = None
        if self.scale:
            by_scale = dflat * z
            if dz is not None:
                by_scale.addcmul_(g, dz)
        dgps = self._by_parameters(dflat, by_scale, wanted, summed)
        if not inputs:
            return [None], dgps
        # From here on g and its tangent are by z, not by y.
        dgz = dflat if scale is None else dflat * _row(scale)
        gz = g if scale is None else g * _row(scale)
        if dscale is not None:
            dgz = torch.addcmul(dgz, g, _row(dscale))
        if dz is None:
            return [self._project(dgz, z, n)[0].view(dg.shape)], dgps
        along = _dot(z, gz)
        dalong = _dot(z, dgz) + _dot(gz, dz)
        mean = gz.mean(1, keepdim=True)
        # With inside = gz - mean - z along: n times its tangent plus its product with n's. Terms
        # are ordered by what they multiply, for each of them is a pass over memory.
        shift = dgz.mean(1, keepdim=True).addcmul_(mean, dn)
        found = torch.addcmul(-shift * n, dgz, n).addcmul_(gz, dn * n)
        found.addcmul_(dz, along * n, value=-1)
        found.addcmul_(z, dalong.addcmul_(along, dn).mul_(n), value=-1)
        return [found.view(dg.shape)], dgps


class Offset(Rule):
    """x plus one number per channel."""

    bends = False

    def forward(self, xs: Tensors, ps: Tensors) -> tuple[Tensor, Any]:
        """Add the offset."""
        return (_flat(xs[0]) + _row(ps[0])).view(xs[0].shape), xs[0].shape

    def backward(
        self,
        saved: Any,
        g: Tensor,
        ps: Tensors,
        wanted: list[bool],
        summed: list[bool],
        inputs: bool,
    ) -> tuple[Maybe, Maybe]:
        """Hand the gradient on, and sum it for the offset."""
        return [g], [over_examples(_flat(g), summed[0]) if wanted[0] else None]

    def tangent(self, saved: Any, dxs: Maybe, ps: Tensors, dps: Maybe) -> tuple[Tensor, Any]:
        """Add tangents."""
        dx, db = dxs[0], dps[0]
        if db is None:
            assert dx is not None
            return dx, None
        if dx is None:
            return _spread(db, saved), None
        return (_flat(dx) + _row(db)).view(saved), None

    def backward_tangent(
        self,
        saved: Any,
        dsaved: Any,
        g: Tensor,
        dg: Tensor,
        ps: Tensors,
        dps: Maybe,
        wanted: list[bool],
        summed: list[bool],
        inputs: bool,
    ) -> tuple[Maybe, Maybe]:
        """Nothing here bends."""
        return self.backward(saved, dg, ps, wanted, summed, inputs)


def _spread(p: Tensor, shape: Any) -> Tensor:
    wide = _row(p).expand(shape[0], 1, shape[-1])
    return wide.view(shape[0], *[1] * (len(shape) - 2), shape[-1]).expand(shape).contiguous()
