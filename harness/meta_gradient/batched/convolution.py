"""Convolutions with one kernel per task, as products with gathered windows (im2col).

The windows of large images are gathered for a few images at a time, so that they are multiplied
while they are in the cache; those of small images are gathered once and kept.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.meta_gradient.batched.products import (
    across,
    add_across,
    add_times,
    over_examples,
    times,
)
from harness.meta_gradient.batched.rule import Maybe, Rule, Tensors


def pack_kernel(w: Tensor) -> Tensor:
    """Give a kernel [O, C, h, w] as the matrix [h * w * C, O] that windows are multiplied with."""
    return w.permute(2, 3, 1, 0).flatten(0, 2)


def unpack_kernel(w: Tensor, shape: torch.Size) -> Tensor:
    """Undo `pack_kernel`; `shape` is [O, C, h, w]."""
    o, c, h, k = shape
    return w.view(h, k, c, o).permute(3, 2, 0, 1)


BLOCK_BYTES = {"cpu": 8 * 2**20, "cuda": 256 * 2**20}
"""Most bytes of one task's windows that are gathered at once, by kind of device."""


class Convolution(Rule):
    """A kernel [h * w * C, O] over images [T, S, H, W, C], with a bias [O] if there is one.

    With channels last a row of a window is one run of memory, so that gathering windows is a copy
    at nearly the speed of memory, and what remains is one matrix product per task.
    """

    def __init__(
        self,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        sides: tuple[int, int, int, int],
        bias: bool,
        inert_bias: bool = False,
    ) -> None:
        """`sides`: padding left, right, top, bottom. `inert_bias`: a batch norm follows, which
        takes any offset away, so that the bias has no effect and the gradient zero."""
        self.kernel, self.stride, self.sides = kernel, stride, sides
        self.bias, self.inert_bias = bias, inert_bias

    def padded(self, sides: tuple[int, int, int, int]) -> Convolution:
        """Give the same convolution of images with zeros around them."""
        both = tuple(a + b for a, b in zip(self.sides, sides, strict=True))
        left, right, top, bottom = both
        return Convolution(
            self.kernel, self.stride, (left, right, top, bottom), self.bias, self.inert_bias
        )

    def _windows(self, x: Tensor) -> Tensor:
        """Gather [T, S * h' * w', kh * kw * C]."""
        (kh, kw), (sh, sw) = self.kernel, self.stride
        if any(self.sides):
            x = F.pad(x, (0, 0, *self.sides))
        x = x.contiguous()
        t, s, h, w, c = x.shape
        oh, ow = (h - kh) // sh + 1, (w - kw) // sw + 1
        row = w * c
        view = x.as_strided(
            (t * s, oh, ow, kh, kw * c), (h * row, sh * row, sw * c, row, 1), x.storage_offset()
        )
        return view.reshape(t, s * oh * ow, kh * kw * c)

    def _out(self, shape: torch.Size) -> tuple[int, int]:
        left, right, top, bottom = self.sides
        h = (shape[2] + top + bottom - self.kernel[0]) // self.stride[0] + 1
        return h, (shape[3] + left + right - self.kernel[1]) // self.stride[1] + 1

    def _scatter(self, windows: Tensor, shape: torch.Size) -> Tensor:
        """Add windows [T, P, kh * kw * C] back to where they were taken from."""
        (kh, kw), (sh, sw), (left, _, top, _) = self.kernel, self.stride, self.sides
        t, s, h, w, c = shape
        oh, ow = self._out(shape)
        parts = windows.view(t * s, oh, ow, kh, kw, c)
        # Room for whole strides, so that each stride x stride part of a window is one slice.
        rows = max(oh + -(-kh // sh) - 1, -(-(h + top) // sh))
        columns = max(ow + -(-kw // sw) - 1, -(-(w + left) // sw))
        found = windows.new_empty(t * s, rows, sh, columns, sw, c)
        for i in range(0, kh, sh):
            for j in range(0, kw, sw):
                part = parts[:, :, :, i : i + sh, j : j + sw].transpose(2, 3)
                a, b = i // sh, j // sw
                to = found[:, a : a + oh, : part.shape[2], b : b + ow, : part.shape[4]]
                if i or j:
                    to += part
                else:
                    self._clear_around(found, part.shape)
                    to.copy_(part)
        whole = found.view(t, s, rows * sh, columns * sw, c)
        return whole[:, :, top : top + h, left : left + w]

    @staticmethod
    def _clear_around(found: Tensor, part: torch.Size) -> None:
        """Zero what the first part does not write."""
        _, oh, a, ow, b, _ = part
        if a < found.shape[2] or b < found.shape[4]:  # a kernel smaller than its stride
            found.zero_()
            return
        found[:, oh:].zero_()
        found[:, :oh, :, ow:].zero_()

    def _blocks(self, x: Tensor, w: Tensor) -> list[slice]:
        """Give the images of a task that are worked on together."""
        oh, ow = self._out(x.shape)
        image = oh * ow * w.shape[-2] * x.element_size()
        images = max(1, BLOCK_BYTES.get(x.device.type, BLOCK_BYTES["cuda"]) // image)
        return [slice(i, i + images) for i in range(0, x.shape[1], images)]

    def forward(self, xs: Tensors, ps: Tensors) -> tuple[Tensor, Any]:
        """Give [T, S, h', w', O]; keeps the images, and the windows if they are one block."""
        (x,), w = xs, ps[0]
        blocks = self._blocks(x, w)
        windows = [self._windows(x[:, b]) for b in blocks[:1]]
        y = times(windows[0], w)
        if len(blocks) > 1:
            rest = [times(self._windows(x[:, b]), w) for b in blocks[1:]]
            y = torch.cat([y, *rest], 1)
        if self.bias and not self.inert_bias:
            y += ps[1].unsqueeze(1) if ps[1].dim() == 2 else ps[1]
        kept = windows[0] if len(blocks) == 1 else None
        return y.view(*x.shape[:2], *self._out(x.shape), -1), (x, kept)

    def _gathered(self, saved: tuple[Tensor, Tensor | None], block: slice) -> Tensor:
        x, windows = saved
        return self._windows(x[:, block]) if windows is None else windows

    def backward(
        self,
        saved: Any,
        g: Tensor,
        ps: Tensors,
        wanted: list[bool],
        summed: list[bool],
        inputs: bool,
    ) -> tuple[Maybe, Maybe]:
        """Give the derivatives by images, kernel and bias."""
        x, turned = saved[0], ps[0].transpose(-1, -2)
        gw: Tensor | None = None
        gxs = []
        for block in self._blocks(x, ps[0]):
            flat = g[:, block].flatten(1, 3)
            if wanted[0]:
                windows = self._gathered(saved, block)
                gw = (
                    across(windows, flat, summed[0])
                    if gw is None
                    else add_across(gw, windows, flat)
                )
            if inputs:
                gxs.append(self._scatter(times(flat, turned), x[:, block].shape))
        gps: Maybe = [gw]
        if self.bias:
            gps.append(self._by_bias(g.flatten(1, 3), summed[1]) if wanted[1] else None)
        return [_joined(gxs)], gps

    def _by_bias(self, g: Tensor, summed: bool) -> Tensor:
        if self.inert_bias:
            return g.new_zeros(g.shape[-1:] if summed else (g.shape[0], g.shape[-1]))
        return over_examples(g, summed)

    def tangent(self, saved: Any, dxs: Maybe, ps: Tensors, dps: Maybe) -> tuple[Tensor, Any]:
        """By the product rule; keeps the images' tangent, and its windows if they are one block."""
        (x, _), (dx,), dw = saved, dxs, dps[0]
        blocks = self._blocks(x, ps[0])
        oh, ow = self._out(x.shape)
        dwindows = None
        dys = []
        for block in blocks:
            dy = None
            if dx is not None:
                dwindows = self._windows(dx[:, block])
                dy = times(dwindows, ps[0])
            if dw is not None:
                windows = self._gathered(saved, block)
                dy = times(windows, dw) if dy is None else add_times(dy, windows, dw)
            if dy is not None:
                dys.append(dy)
        dy = _joined(dys)
        if dy is None:  # the bias alone moves
            dy = x.new_zeros(x.shape[0], x.shape[1] * oh * ow, ps[0].shape[-1])
        db = dps[1] if self.bias and not self.inert_bias else None
        if db is not None:
            dy += db.unsqueeze(1) if db.dim() == 2 else db
        kept = None if dx is None else (dx, dwindows if len(blocks) == 1 else None)
        return dy.view(*x.shape[:2], oh, ow, -1), kept

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
        """By the product rule on `backward`."""
        x, turned, dw = saved[0], ps[0].transpose(-1, -2), dps[0]
        gw: Tensor | None = None
        gxs = []
        for block in self._blocks(x, ps[0]):
            flat, dflat = g[:, block].flatten(1, 3), dg[:, block].flatten(1, 3)
            if wanted[0]:
                windows = self._gathered(saved, block)
                gw = (
                    across(windows, dflat, summed[0])
                    if gw is None
                    else add_across(gw, windows, dflat)
                )
                if dsaved is not None:
                    add_across(gw, self._gathered(dsaved, block), flat)
            if inputs:
                scattered = times(dflat, turned)
                if dw is not None:
                    add_times(scattered, flat, dw.transpose(-1, -2))
                gxs.append(self._scatter(scattered, x[:, block].shape))
        dgps: Maybe = [gw]
        if self.bias:
            dgps.append(self._by_bias(dg.flatten(1, 3), summed[1]) if wanted[1] else None)
        return [_joined(gxs)], dgps


def _joined(blocks: list[Tensor]) -> Tensor | None:
    """Put blocks of examples together again; None for none."""
    if len(blocks) > 1:
        return torch.cat(blocks, 1)
    return blocks[0] if blocks else None
