"""Products of activations with shared or per-task matrices, and the linear layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

from harness.meta_gradient.batched.rules.rule import Maybe, Rule, Second, Tensors, Wanted

_type: ContextVar[torch.dtype | None] = ContextVar("type of the factors", default=None)


@contextmanager
def factors_in(dtype: torch.dtype | None) -> Iterator[None]:
    """Round the factors of products to `dtype` (None: as they are); results keep their own type."""
    token = _type.set(dtype)
    try:
        yield
    finally:
        _type.reset(token)


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Return a @ b for two matrices, or for two stacks of them."""
    dtype = _type.get()
    by = torch.mm if a.dim() == 2 else torch.bmm
    return by(a, b) if dtype is None else by(a.to(dtype), b.to(dtype)).to(a.dtype)


def _add_product(to: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Add `_product(a, b)` to `to`, in place."""
    if _type.get() is not None:
        return to.add_(_product(a, b))
    return to.addmm_(a, b) if a.dim() == 2 else to.baddbmm_(a, b)


def times(x: Tensor, w: Tensor) -> Tensor:
    """Return x [T, P, K] @ w, [T, P, O]: w is [K, O] or [T, K, O]."""
    if w.dim() == 3:
        return _product(x, w)
    return _product(x.flatten(0, 1), w).view(*x.shape[:2], -1)


def add_times(to: Tensor, x: Tensor, w: Tensor) -> Tensor:
    """Add `times(x, w)` to `to`, in place."""
    if w.dim() == 3:
        return _add_product(to, x, w)
    _add_product(to.flatten(0, 1), x.flatten(0, 1), w)
    return to


def across(a: Tensor, b: Tensor, summed: bool) -> Tensor:
    """Return a [T, P, K] transposed times b [T, P, O]: [T, K, O], or [K, O] summed over tasks."""
    if summed:
        return _product(a.flatten(0, 1).t(), b.flatten(0, 1))
    return _product(a.transpose(1, 2), b)


def add_across(to: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Add `across(a, b)` to `to`, in place."""
    if to.dim() == 2:
        return _add_product(to, a.flatten(0, 1).t(), b.flatten(0, 1))
    return _add_product(to, a.transpose(1, 2), b)


def over_examples(g: Tensor, summed: bool) -> Tensor:
    """Sum g [T, P, O] over examples, [T, O], or over tasks too, [O]."""
    return g.sum((0, 1)) if summed else g.sum(1)


def stacked(each: list[Tensor]) -> Tensor:
    """Put one tensor per task together; a single one is not copied."""
    return each[0].unsqueeze(0) if len(each) == 1 else torch.stack(each)


class Linear(Rule):
    """x [T, S, I] times the transposed weight [O, I], plus a bias [O] if there is one."""

    def forward(self, xs: Tensors, ps: Tensors) -> tuple[Tensor, Any]:
        """Return [T, S, O]; keeps x."""
        (x,) = xs
        y = times(x, ps[0].transpose(-1, -2))
        if len(ps) > 1:
            y += _row(ps[1])
        return y, x

    def backward(self, saved: Any, g: Tensor, ps: Tensors, wanted: Wanted) -> tuple[Maybe, Maybe]:
        """Return the derivatives by x, weight and bias."""
        gps: Maybe = [None] * len(ps)
        if wanted.params[0]:
            gps[0] = across(g, saved, wanted.summed[0])
        if len(ps) > 1 and wanted.params[1]:
            gps[1] = over_examples(g, wanted.summed[1])
        return [times(g, ps[0]) if wanted.inputs else None], gps

    def tangent(self, saved: Any, dxs: Maybe, ps: Tensors, dps: Maybe) -> tuple[Tensor, Any]:
        """By the product rule; keeps x's tangent."""
        (dx,) = dxs
        dw, db = dps[0], dps[1] if len(dps) > 1 else None
        dy = None if dx is None else times(dx, ps[0].transpose(-1, -2))
        if dw is not None:
            by = dw.transpose(-1, -2)
            dy = times(saved, by) if dy is None else add_times(dy, saved, by)
        if db is not None:
            dy = _row(db).expand(*saved.shape[:2], -1).clone() if dy is None else dy.add_(_row(db))
        assert dy is not None
        return dy, dx

    def backward_tangent(self, at: Second) -> tuple[Maybe, Maybe]:
        """By the product rule on `backward`."""
        (dgx,), dgps = self.backward(at.saved, at.dg, at.ps, at.wanted)
        if dgps[0] is not None and at.dsaved is not None:
            add_across(dgps[0], at.g, at.dsaved)
        if dgx is not None and at.dps[0] is not None:
            add_times(dgx, at.g, at.dps[0])
        return [dgx], dgps


def _row(bias: Tensor) -> Tensor:
    return bias.unsqueeze(1) if bias.dim() == 2 else bias
