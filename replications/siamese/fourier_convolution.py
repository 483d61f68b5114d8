"""Valid convolutions with large filters by way of Fourier space: same numbers, fewer operations.

A 7 x 7 filter costs 49 products for each output and pair of channels; between discrete Fourier
transforms it costs about 3. The transforms are matrix products too (images here have fewer than a
hundred pixels a side), so that everything runs at the speed of matrix products, in the layout
[H, W, B, C] that no step has to change. For processors: a GPU's library has convolutions of its own
that are at least as good.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import torch
from torch import Tensor

Spectrum = tuple[Tensor, Tensor]
"""Real and imaginary part, each [F, R, K]: the F = (size // 2 + 1) * size frequencies of real
images [size, size, R, K] that are not mirrors of others."""


@functools.lru_cache(maxsize=64)
def _waves(size: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return cos and sin of 2 pi f p / size for all frequencies f and positions p: [size, size]."""
    # The product modulo size keeps angles small, and so exact to the last digit.
    turns = torch.outer(torch.arange(size), torch.arange(size)) % size
    angle = turns.double() * (2 * math.pi / size)
    return angle.cos().to(device, dtype), angle.sin().to(device, dtype)


def _each(matrix: Tensor, x: Tensor) -> Tensor:
    """Multiply [p, q] with each of [B, q, M]: what `torch.matmul` does, which is slower here."""
    out = x.new_empty(x.shape[0], matrix.shape[0], x.shape[2])
    for one, result in zip(x, out, strict=True):
        torch.mm(matrix, one, out=result)
    return out


def transform(x: Tensor, size: int) -> Spectrum:
    """Return the spectrum of real images [h, w, R, K], padded with zeros to `size` a side."""
    (h, w, r, k), half = x.shape, size // 2 + 1
    cos, sin = _waves(size, x.dtype, x.device)
    rows = torch.stack([cos[:half, :h], -sin[:half, :h]], 1).flatten(0, 1)
    first = x.new_empty(2 * half, w, r * k)
    for column in range(w):
        torch.mm(rows, x[:, column].reshape(h, -1), out=first[:, column])
    # (re + i im)(cos - i sin) as one real matrix that takes and gives (re, im).
    c, s = cos[:, :w], sin[:, :w]
    columns = torch.stack([torch.cat([c, s], 1), torch.cat([-s, c], 1)], 1).flatten(0, 1)
    both = _each(columns, first.view(half, 2 * w, r * k)).view(half * size, 2, r, k)
    return both[:, 0], both[:, 1]


def transform_back(spectrum: Spectrum, size: int, kept: int) -> Tensor:
    """Return the first `kept` rows and columns of the images of a spectrum: [kept, kept, R, K]."""
    real, imaginary = spectrum
    half, shape = size // 2 + 1, real.shape[1:]
    cos, sin = _waves(size, real.dtype, real.device)
    c, s = cos[:kept], sin[:kept]
    of_real, of_imaginary = torch.cat([c, s]), torch.cat([-s, c])
    first = _each(of_real, real.view(half, size, -1))
    for out, one in zip(first, imaginary.view(half, size, -1), strict=True):
        out.addmm_(of_imaginary, one)
    # Frequencies above the half mirror those below; 0 and, of an even size, the last have no twin.
    twice = torch.full((half,), 2.0, dtype=real.dtype, device=real.device)
    twice[0] = 1.0
    if size % 2 == 0:
        twice[-1] = 1.0
    twice /= size * size
    rows = torch.stack([c[:, :half] * twice, -s[:, :half] * twice], 2).flatten(1)
    first = first.view(2 * half, kept, -1)
    out = first.new_empty(kept, kept, first.shape[2])
    for column in range(kept):
        torch.mm(rows, first[:, column], out=out[:, column])
    return out.view(kept, kept, *shape)


def _times(a: Spectrum, b: Spectrum, conjugate: bool) -> Spectrum:
    """Multiply matrices [F, R, K] and [F, K, L] of complex numbers, b conjugated if asked for."""
    sign = 1.0 if conjugate else -1.0
    real = torch.bmm(a[0], b[0]).baddbmm_(a[1], b[1], alpha=sign)
    imaginary = torch.bmm(a[1], b[0]).baddbmm_(a[0], b[1], alpha=-sign)
    return real, imaginary


class _FourierConvolution(torch.autograd.Function):
    """The products are correlations and a convolution that wrap around the edge; padding and what
    is kept of them leave the wrapped part out."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        size, kernel = x.shape[0], weight.shape[-1]
        seen, filters = transform(x, size), transform(weight.permute(2, 3, 1, 0), size)
        ctx.save_for_backward(*seen, *filters)
        ctx.sizes = size, kernel
        return transform_back(_times(seen, filters, True), size, size - kernel + 1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        xr, xi, wr, wi = ctx.saved_tensors
        size, kernel = ctx.sizes
        arrived = transform(grad, size)
        x_grad = weight_grad = None
        if ctx.needs_input_grad[0]:
            filters = wr.transpose(1, 2), wi.transpose(1, 2)
            x_grad = transform_back(_times(arrived, filters, False), size, size)
        if ctx.needs_input_grad[1]:
            seen = xr.transpose(1, 2), xi.transpose(1, 2)
            kernels = transform_back(_times(seen, arrived, True), size, kernel)
            weight_grad = kernels.permute(3, 2, 0, 1)
        return x_grad, weight_grad


def fourier_convolution(x: Tensor, weight: Tensor) -> Tensor:
    """Convolve without padding: x [S, S, B, C], weight [O, C, k, k] → [S-k+1, S-k+1, B, O].

    What deep learning calls a convolution (a correlation), as `torch.nn.functional.conv2d`. It can
    be differentiated once.
    """
    convolved: Tensor = _FourierConvolution.apply(x, weight)  # type: ignore[no-untyped-call]
    return convolved
