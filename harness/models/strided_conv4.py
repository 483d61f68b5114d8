"""The strided four-module convnet of MAML on Omniglot (Finn et al. 2017, 5.2; authors' maml.py)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.models.batch_statistics import BatchStatistics
from harness.models.glorot import start_glorot


def same_padding(size: int, kernel: int = 3, stride: int = 2) -> tuple[int, int]:
    """Return TensorFlow's 'SAME' padding (before, after) of one axis: the odd pixel goes after."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class StridedConv4(nn.Module):
    """Images [B, C, H, W] → logits [B, ways].

    Four times (3x3 convolution with stride 2 and 'SAME' padding, batch norm by batch statistics,
    ReLU), mean over space, linear head. Convolutions start Glorot-uniform, the head as a standard
    normal, biases at 0, as in the authors' `construct_conv_weights`.
    """

    def __init__(self, channels: int, filters: int, ways: int, generator: torch.Generator) -> None:
        super().__init__()
        widths = [channels, filters, filters, filters]
        self.convolutions = nn.ModuleList(nn.Conv2d(w, filters, 3, stride=2) for w in widths)
        self.norms = nn.ModuleList(BatchStatistics(filters) for _ in widths)
        self.head = nn.Linear(filters, ways)
        start_glorot(self.convolutions, generator)
        with torch.no_grad():
            self.head.weight.normal_(generator=generator)
            self.head.bias.zero_()

    def features(self, x: Tensor) -> Tensor:
        """Embed images [B, C, H, W] as what the head sees: [B, features]."""
        for conv, norm in zip(self.convolutions, self.norms, strict=True):
            top, bottom = same_padding(x.shape[-2])
            left, right = same_padding(x.shape[-1])
            x = F.relu(norm(conv(F.pad(x, (left, right, top, bottom)))))
        return x.mean((-2, -1))

    def forward(self, x: Tensor) -> Tensor:
        """Map images to logits."""
        outputs: Tensor = self.head(self.features(x))
        return outputs
