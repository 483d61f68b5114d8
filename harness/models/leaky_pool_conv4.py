"""The convnet of MAML++ (Antoniou et al. 2019; authors' `VGGReLUNormNetwork`)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.models.max_pool_conv4 import MaxPoolConv4


class ScaledBatchStatistics(nn.Module):
    """(x - mean) / sqrt(var + 1e-5) * weight + bias, by the statistics of the batch at hand."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x [B, C, H, W]."""
        return F.batch_norm(x, None, None, self.weight, self.bias, training=True)


class LeakyPoolConv4(MaxPoolConv4):
    """Images [B, C, size, size] → logits [B, ways].

    As `MaxPoolConv4`, with scale and offset in the batch norms, which start at 1 and 0 (ε 1e-5),
    and leaky ReLU of slope 0.01.
    """

    norm = ScaledBatchStatistics
    activation = staticmethod(F.leaky_relu)
