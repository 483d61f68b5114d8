"""Layers that are linear where they stand: ReLU, pooling, flattening, padding, sums."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.meta_gradient.batched.rule import LinearMap, Maybe, Tensors


class Relu(LinearMap):
    """max(x, slope * x); slope 0 is ReLU. Keeps its output, whose sign is the input's."""

    keeps_output = True

    def __init__(self, slope: float = 0.0, in_place: bool = False) -> None:
        self.slope, self.in_place = slope, in_place

    def forward(self, xs: Tensors, ps: Tensors) -> tuple[Tensor, Any]:
        """Give the positive part."""
        if self.slope:
            y = F.leaky_relu(xs[0], self.slope, self.in_place)
        else:
            y = xs[0].relu_() if self.in_place else xs[0].relu()
        return y, y

    def push(self, saved: Any, dxs: Maybe) -> Tensor:
        """Let through what the input's sign lets through."""
        assert dxs[0] is not None
        through = torch.ops.aten
        found: Tensor = (
            through.leaky_relu_backward(dxs[0], saved, self.slope, True)
            if self.slope
            else through.threshold_backward(dxs[0], saved, 0)
        )
        return found

    def pull(self, saved: Any, g: Tensor) -> Tensors:
        """The map is its own transpose."""
        return [self.push(saved, [g])]


class MaxPool(LinearMap):
    """Maximum over windows of `size` x `size` that do not overlap; what does not fill one is cut.

    Where several are largest the first in reading order takes the gradient, as in torch.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def _windows(self, x: Tensor) -> Tensors:
        """Give the positions of the windows, each [T, S, h, w, C]."""
        n = self.size
        h, w = x.shape[2] // n, x.shape[3] // n
        return [x[:, :, i : h * n : n, j : w * n : n] for i in range(n) for j in range(n)]

    def forward(self, xs: Tensors, ps: Tensors) -> tuple[Tensor, Any]:
        """Give the maxima; keeps which position won."""
        first, *rest = self._windows(xs[0])
        best, winner = first, torch.zeros_like(first, dtype=torch.uint8)
        for k, other in enumerate(rest, 1):
            winner.masked_fill_(other > best, k)
            best = torch.maximum(best, other)
        return best, ([winner == k for k in range(self.size**2)], xs[0].shape)

    def push(self, saved: Any, dxs: Maybe) -> Tensor:
        """Take the tangents of the winners."""
        assert dxs[0] is not None
        first, *rest = self._windows(dxs[0])
        found = first.clone()
        for mask, part in zip(saved[0][1:], rest, strict=True):
            found = torch.where(mask, part, found)
        return found

    def pull(self, saved: Any, g: Tensor) -> Tensors:
        """Give the gradient to the winners."""
        masks, shape = saved
        full = shape[2] % self.size == 0 and shape[3] % self.size == 0
        found = g.new_empty(shape) if full else g.new_zeros(shape)
        zero = g.new_zeros(())
        for mask, part in zip(masks, self._windows(found), strict=True):
            part.copy_(torch.where(mask, g, zero))
        return [found]


class SpatialMean(LinearMap):
    """[T, S, H, W, C] → [T, S, C], or [T, S, 1, 1, C]."""

    def __init__(self, keep: bool) -> None:
        self.keep = keep

    def forward(self, xs: Tensors, ps: Tensors) -> tuple[Tensor, Any]:
        """Average over space."""
        return xs[0].mean((2, 3), keepdim=self.keep), xs[0].shape

    def push(self, saved: Any, dxs: Maybe) -> Tensor:
        """Average over space."""
        assert dxs[0] is not None
        return dxs[0].mean((2, 3), keepdim=self.keep)

    def pull(self, saved: Any, g: Tensor) -> Tensors:
        """Spread over space."""
        t, s, h, w, c = saved
        return [(g / (h * w)).view(t, s, 1, 1, c).expand(saved).contiguous()]


class Flatten(LinearMap):
    """[T, S, H, W, C] → [T, S, C * H * W] in torch's order of features; features stay."""

    gives_new = False

    def forward(self, xs: Tensors, ps: Tensors) -> tuple[Tensor, Any]:
        """Put channels before space, and all in one axis."""
        return self._apply(xs[0]), xs[0].shape

    @staticmethod
    def _apply(x: Tensor) -> Tensor:
        return x.movedim(-1, 2).flatten(2) if x.dim() == 5 else x

    def push(self, saved: Any, dxs: Maybe) -> Tensor:
        """Order tangents alike."""
        assert dxs[0] is not None
        return self._apply(dxs[0])

    def pull(self, saved: Any, g: Tensor) -> Tensors:
        """Put space before channels again."""
        if len(saved) == 3:
            return [g]
        t, s, h, w, c = saved
        return [g.view(t, s, c, h, w).movedim(2, -1).contiguous()]


class Pad(LinearMap):
    """Zeros around an image (negative: cut); `sides` is (left, right, top, bottom)."""

    def __init__(self, sides: tuple[int, int, int, int]) -> None:
        self.sides = sides

    def forward(self, xs: Tensors, ps: Tensors) -> tuple[Tensor, Any]:
        """Pad the space axes."""
        return F.pad(xs[0], (0, 0, *self.sides)), None

    def push(self, saved: Any, dxs: Maybe) -> Tensor:
        """Pad tangents alike."""
        assert dxs[0] is not None
        return F.pad(dxs[0], (0, 0, *self.sides))

    def pull(self, saved: Any, g: Tensor) -> Tensors:
        """Cut what was padded."""
        return [F.pad(g, (0, 0, *(-n for n in self.sides)))]


class Sum(LinearMap):
    """The sum of two activations of one shape (a residual connection)."""

    def forward(self, xs: Tensors, ps: Tensors) -> tuple[Tensor, Any]:
        """Add."""
        return xs[0] + xs[1], None

    def push(self, saved: Any, dxs: Maybe) -> Tensor:
        """Add tangents; one of them may be zero."""
        there = [d for d in dxs if d is not None]
        return there[0] + there[1] if len(there) == 2 else there[0].clone()

    def pull(self, saved: Any, g: Tensor) -> Tensors:
        """Both inputs get the gradient (a copy each: either may be overwritten)."""
        return [g, g.clone()]


class Same(LinearMap):
    """What changes nothing (contiguous, clone)."""

    gives_new = False

    def forward(self, xs: Tensors, ps: Tensors) -> tuple[Tensor, Any]:
        """Hand on."""
        return xs[0], None

    def push(self, saved: Any, dxs: Maybe) -> Tensor:
        """Hand on."""
        assert dxs[0] is not None
        return dxs[0]

    def pull(self, saved: Any, g: Tensor) -> Tensors:
        """Hand on."""
        return [g]
