"""Layers that are linear where they stand: ReLU, pooling, flattening, padding, sums."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.meta_gradient.batched.rules.rule import LinearMap, Maybe, Tensors


class Relu(LinearMap):
    """max(x, slope * x); slope 0 is ReLU. Keeps its output, whose sign is the input's."""

    keeps_output = True

    def __init__(self, slope: float = 0.0, in_place: bool = False) -> None:
        self.slope, self.in_place = slope, in_place

    def forward(self, xs: Tensors, ps: Tensors) -> tuple[Tensor, Any]:
        """Return the positive part."""
        if self.slope:
            y = F.leaky_relu(xs[0], self.slope, self.in_place)
        else:
            y = xs[0].relu_() if self.in_place else xs[0].relu()
        return y, y

    def push(self, saved: Any, dxs: Maybe) -> Tensor:
        """Let through what the input's sign lets through."""
        assert dxs[0] is not None
        through = torch.ops.aten
        moved: Tensor = (
            through.leaky_relu_backward(dxs[0], saved, self.slope, True)
            if self.slope
            else through.threshold_backward(dxs[0], saved, 0)
        )
        return moved

    def pull(self, saved: Any, g: Tensor) -> Tensors:
        """The map is its own transpose."""
        return [self.push(saved, [g])]


class MaxPool(LinearMap):
    """Maximum over windows of `size` x `size` that do not overlap; what does not fill one is cut.

    By torch's own kernels, which take images with channels last as they are.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def forward(self, xs: Tensors, ps: Tensors) -> tuple[Tensor, Any]:
        """Return the maxima; keeps where in each plane they were."""
        planes = _planes(xs[0])
        best, where = F.max_pool2d(planes, self.size, return_indices=True)
        return _images(best, xs[0].shape[:2]), (where, planes)

    def push(self, saved: Any, dxs: Maybe) -> Tensor:
        """Take the tangents of the winners."""
        assert dxs[0] is not None
        where, _ = saved
        # Through rows of channels, so that what is read and written stays channels last.
        t, s, h, w, c = dxs[0].shape
        index = where.permute(0, 2, 3, 1)
        gathered = dxs[0].reshape(t * s, h * w, c).gather(1, index.flatten(1, 2))
        return gathered.view(t, s, *index.shape[1:])

    def pull(self, saved: Any, g: Tensor) -> Tensors:
        """Return the gradient to the winners."""
        where, planes = saved
        n = [self.size, self.size]
        gradient = torch.ops.aten.max_pool2d_with_indices_backward(
            _planes(g), planes, n, n, [0, 0], [1, 1], False, where
        )
        return [_images(gradient, g.shape[:2])]


def _planes(x: Tensor) -> Tensor:
    """See images [T, S, H, W, C] as [T * S, C, H, W] with channels last in memory."""
    return x.flatten(0, 1).permute(0, 3, 1, 2)


def _images(planes: Tensor, sets: torch.Size) -> Tensor:
    """Undo `_planes`."""
    return planes.permute(0, 2, 3, 1).view(*sets, *planes.shape[2:], planes.shape[1])


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
