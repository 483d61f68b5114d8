"""A number per channel that is added."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from harness.meta_gradient.batched.rules.batch_norm_standardised import flat, row
from harness.meta_gradient.batched.rules.products import over_examples
from harness.meta_gradient.batched.rules.rule import Maybe, Straight, Tensors, Wanted


class Offset(Straight):
    """x plus one number per channel."""

    def forward(self, xs: Tensors, ps: Tensors) -> tuple[Tensor, Any]:
        """Add the offset."""
        return (flat(xs[0]) + row(ps[0])).view(xs[0].shape), xs[0].shape

    def backward(self, saved: Any, g: Tensor, ps: Tensors, wanted: Wanted) -> tuple[Maybe, Maybe]:
        """Hand the gradient on, and sum it for the offset."""
        return [g], [over_examples(flat(g), wanted.summed[0]) if wanted.params[0] else None]

    def tangent(self, saved: Any, dxs: Maybe, ps: Tensors, dps: Maybe) -> tuple[Tensor, Any]:
        """Add tangents."""
        dx, db = dxs[0], dps[0]
        if db is None:
            assert dx is not None
            return dx, None
        if dx is None:
            return _spread(db, saved), None
        return (flat(dx) + row(db)).view(saved), None


def _spread(p: Tensor, shape: Any) -> Tensor:
    wide = row(p).expand(shape[0], 1, shape[-1])
    return wide.view(shape[0], *[1] * (len(shape) - 2), shape[-1]).expand(shape).contiguous()
