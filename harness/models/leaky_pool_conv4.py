"""The convnet of MAML++ (Antoniou et al. 2019; authors' `VGGReLUNormNetwork`)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.errors import HarnessError
from harness.models.glorot import start_glorot
from harness.models.image_shape import check_image_shape

SMALLEST = 16
"""Four 2x2 pools leave one pixel of 16."""


class ScaledBatchStatistics(nn.Module):
    """(x - mean) / sqrt(var + 1e-5) * weight + bias, by the statistics of the batch at hand."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x [B, C, H, W]."""
        return F.batch_norm(x, None, None, self.weight, self.bias, training=True)


class LeakyPoolConv4(nn.Module):
    """Images [B, C, size, size] → logits [B, ways].

    Four times (3x3 convolution with padding 1, batch norm with scale and offset by the statistics
    of the batch at hand, leaky ReLU of slope 0.01, 2x2 max pool), flatten, linear head.
    Convolutions and head start Glorot-uniform, biases and offsets at 0, scales at 1.
    """

    def __init__(
        self, channels: int, filters: int, size: int, ways: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        if size < SMALLEST:
            raise HarnessError(
                f"LeakyPoolConv4: found images of {size} pixels a side, wanted {SMALLEST} or more."
            )
        self.image_shape = (channels, size, size)
        widths = [channels, filters, filters, filters]
        self.convolutions = nn.ModuleList(nn.Conv2d(w, filters, 3, padding=1) for w in widths)
        self.norms = nn.ModuleList(ScaledBatchStatistics(filters) for _ in widths)
        self.head = nn.Linear(filters * (size // 16) ** 2, ways)
        start_glorot([*self.convolutions, self.head], generator)

    def forward(self, x: Tensor) -> Tensor:
        """Map images to logits."""
        check_image_shape("LeakyPoolConv4", self.image_shape, x)
        for conv, norm in zip(self.convolutions, self.norms, strict=True):
            # A monotone function and a maximum commute; pooled first, it has a quarter of the work.
            x = F.leaky_relu(F.max_pool2d(norm(conv(x)), 2))
        found: Tensor = self.head(x.flatten(1))
        return found
