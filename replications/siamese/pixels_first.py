"""Parts of a convolutional network in the layout [H, W, B, C]: pixels first, then images, channels.

In this layout a row of pixels of all images is one stretch of memory, so that on a processor
pooling is a few passes over memory and a convolution of one channel is a plain matrix product. Both
give what the library gives, the choice among equal maxima included. They can be differentiated
once. For filters on many channels see `fourier_convolution`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _OneChannel(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        ctx.kernel = weight.shape[-1]
        rows, images, wide = x.shape[0] - ctx.kernel + 1, x.shape[2], weight.shape[0]
        filters = weight.flatten(1).t().contiguous()
        out = x.new_empty(rows, rows * images, wide)
        patches = x.new_empty(ctx.kernel**2, rows * images)
        for row in range(rows):
            _patches(x, row, ctx.kernel, patches)
            torch.mm(patches.t(), filters, out=out[row])
        return out.view(rows, rows, images, wide)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        rows, images, wide, kernel = grad.shape[0], x.shape[2], grad.shape[-1], ctx.kernel
        grad = grad.contiguous().view(rows, -1, wide)
        by_weight = grad.new_zeros(kernel**2, wide)
        patches = x.new_empty(kernel**2, rows * images)
        for row in range(rows):
            _patches(x, row, kernel, patches)
            by_weight.addmm_(patches, grad[row])
        return None, by_weight.t().reshape(wide, 1, kernel, kernel)


def _patches(x: Tensor, row: int, kernel: int, out: Tensor) -> None:
    """Write what the filters meet on one row of outputs: [kernel², outputs in a row * B]."""
    side, _, images = x.shape
    shape = (kernel, kernel, side - kernel + 1, images)
    seen = x.as_strided(shape, (side * images, images, images, 1), row * side * images)
    out.view(shape).copy_(seen)


def one_channel_convolution(x: Tensor, weight: Tensor) -> Tensor:
    """Convolve without padding: x [S, S, B], weight [O, 1, k, k] → [S-k+1, S-k+1, B, O].

    Only the weight gets a gradient: x are images.
    """
    convolved: Tensor = _OneChannel.apply(x.contiguous(), weight)  # type: ignore[no-untyped-call]
    return convolved


class _Pool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        a, b, c, d = _quarters(x)
        top, bottom = torch.maximum(a, b), torch.maximum(c, d)
        # Of equal ones the first wins, as in the library.
        ctx.save_for_backward(a >= b, c >= d, top >= bottom)
        ctx.shape = x.shape
        return torch.maximum(top, bottom)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        left_top, left_bottom, is_top = ctx.saved_tensors
        out = grad.new_empty(ctx.shape)
        height, width = grad.shape[:2]
        out[2 * height :] = 0  # an odd last row or column is in no pool
        out[:, 2 * width :] = 0
        a, b, c, d = _quarters(out)
        top = grad * is_top
        bottom = grad - top
        torch.mul(top, left_top, out=a)
        torch.sub(top, a, out=b)
        torch.mul(bottom, left_bottom, out=c)
        torch.sub(bottom, c, out=d)
        return out


def _quarters(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return views of the four pixels of each 2 x 2 square: top left, top right, then below."""
    height, width = x.shape[0] // 2 * 2, x.shape[1] // 2 * 2
    top, bottom = x[:height:2], x[1:height:2]
    return top[:, :width:2], top[:, 1:width:2], bottom[:, :width:2], bottom[:, 1:width:2]


def max_pool(x: Tensor) -> Tensor:
    """Take the largest of each 2 x 2 pixels: [H, W, B, C] → [H // 2, W // 2, B, C]."""
    pooled: Tensor = _Pool.apply(x)  # type: ignore[no-untyped-call]
    return pooled
