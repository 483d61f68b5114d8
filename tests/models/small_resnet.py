"""A small residual network by batch statistics: basic blocks of He et al. 2016, no stem."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.errors import HarnessError
from harness.models.batch_statistics import BatchStatistics
from harness.models.glorot import start_glorot


class ResidualBlock(nn.Module):
    """[B, inputs, H, W] → [B, outputs, ⌈H/2⌉, ⌈W/2⌉].

    ReLU of the sum of two paths: (3x3 convolution with stride 2, norm, ReLU, 3x3 convolution,
    norm), and the shortcut (1x1 convolution with stride 2, norm; option B of the paper).
    """

    def __init__(self, inputs: int, outputs: int, generator: torch.Generator) -> None:
        super().__init__()
        # No biases: the norms that follow would take them away.
        self.first = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=2, bias=False)
        self.first_norm = BatchStatistics(outputs)
        self.second_norm = BatchStatistics(outputs)
        self.shortcut_norm = BatchStatistics(outputs)
        with torch.no_grad():
            for conv in (self.first, self.second, self.shortcut):
                nn.init.kaiming_normal_(conv.weight, nonlinearity="relu", generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        long = self.second_norm(self.second(F.relu(self.first_norm(self.first(x)))))
        return F.relu(long + self.shortcut_norm(self.shortcut(x)))


class SmallResNet(nn.Module):
    """Images [B, C, H, W] of any size → logits [B, ways].

    One residual block for each entry of `widths` (its output channels), mean over space, linear
    head. Convolutions start He-normal (deviation sqrt(2 / inputs of a unit)), the head
    Glorot-uniform, biases at 0. `features` serves as a backbone without the head.
    """

    def __init__(
        self, channels: int, widths: Sequence[int], ways: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        if not widths:
            raise HarnessError("SmallResNet: found no widths, wanted one for each residual block.")
        self.channels = channels
        pairs = zip([channels, *widths], widths, strict=False)
        self.blocks = nn.Sequential(*(ResidualBlock(n, m, generator) for n, m in pairs))
        self.head = nn.Linear(widths[-1], ways)
        start_glorot([self.head], generator)

    def features(self, x: Tensor) -> Tensor:
        """Embed images as [B, widths[-1]]."""
        if x.dim() != 4 or x.shape[1] != self.channels:
            raise HarnessError(
                f"SmallResNet: found images of shape {tuple(x.shape)}, wanted "
                f"[B, {self.channels}, H, W]."
            )
        features: Tensor = self.blocks(x).mean((-2, -1))
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Map images to logits."""
        outputs: Tensor = self.head(self.features(x))
        return outputs
