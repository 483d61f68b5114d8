"""Batch normalisation by the statistics of the batch at hand, in training and at test alike.

That is what `tf.contrib.layers.batch_norm` does in the MAML code (its default training mode is left
on at test): centre but no scale, ε = 0.001, running averages never used. It keeps no state, so it
can run under `torch.func` and per task.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BatchStatistics(nn.Module):
    """(x - mean) / sqrt(var + eps) + bias over all axes but the channel axis 1."""

    def __init__(self, channels: int, eps: float = 1e-3) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x [B, C, …]."""
        # The offset is added outside: torch's double backward of a batch norm with an offset and no
        # scale fails ("Expected a proper Tensor but got None").
        normal = F.batch_norm(x, None, None, training=True, eps=self.eps)
        return normal + self.bias.view(-1, *[1] * (x.dim() - 2))
