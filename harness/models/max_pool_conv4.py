"""The max-pooled convnet of MAML on mini-ImageNet (Finn et al. 2017, 5.2; authors' maml.py)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.errors import HarnessError
from harness.models.batch_statistics import BatchStatistics
from harness.models.glorot import start_glorot
from harness.models.image_shape import check_image_shape

SMALLEST = 16
"""Four 2x2 pools leave one pixel of 16."""


class MaxPoolConv4(nn.Module):
    """Images [B, C, size, size] → logits [B, ways].

    Four times (3x3 convolution with stride 1 and 'SAME' padding, batch norm by batch statistics,
    ReLU, 2x2 max pool that drops an odd last row and column), flatten, linear head. 84 pixels
    become 5, so 32 filters leave 800 features. Convolutions and head start Glorot-uniform, biases
    at 0, as in the authors' `construct_conv_weights` for mini-ImageNet (their Omniglot head is a
    standard normal instead). Networks with another norm or activation derive from this one.
    """

    norm: Callable[[int], nn.Module] = BatchStatistics
    """Make the layer for a number of channels."""
    activation: Callable[[Tensor], Tensor] = staticmethod(F.relu)
    """Must be monotone."""

    def __init__(
        self, channels: int, filters: int, size: int, ways: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        if size < SMALLEST:
            raise HarnessError(
                f"{type(self).__name__}: found images of {size} pixels a side, wanted {SMALLEST} "
                "or more: each of four pools halves them."
            )
        self.image_shape = (channels, size, size)
        widths = [channels, filters, filters, filters]
        self.convolutions = nn.ModuleList(nn.Conv2d(w, filters, 3, padding=1) for w in widths)
        self.norms = nn.ModuleList(type(self).norm(filters) for _ in widths)
        self.head = nn.Linear(filters * (size // 16) ** 2, ways)
        start_glorot([*self.convolutions, self.head], generator)

    def features(self, x: Tensor) -> Tensor:
        """Embed images [B, C, size, size] as what the head sees: [B, features]."""
        check_image_shape(type(self).__name__, self.image_shape, x)
        for conv, norm in zip(self.convolutions, self.norms, strict=True):
            # The authors pool after the activation. A monotone function and a maximum commute,
            # gradients too: a window without a positive entry has none in either order. Pooled
            # first, the activation has a quarter of the work.
            x = self.activation(F.max_pool2d(norm(conv(x)), 2))
        return x.flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        """Map images to logits."""
        outputs: Tensor = self.head(self.features(x))
        return outputs
