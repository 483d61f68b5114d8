"""Batch normalisation of many sets at once, each set by its own statistics.

Support and query sets of many tasks go through one network together, and yet a set never sees
another: as when each were normalised alone, without a loop over tasks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def interleaved(images: Tensor) -> Tensor:
    """Lay out sets [T, B, …] as rows [B * T, …]: image b of set t is row b * T + t."""
    return images.transpose(0, 1).flatten(0, 1)


def by_set(rows: Tensor, sets: int) -> Tensor:
    """Undo `interleaved`: rows [B * T, …] as [T, B, …], T being `sets`."""
    return rows.reshape(-1, sets, *rows.shape[1:]).transpose(0, 1)


class SetStatistics(nn.Module):
    """(x - mean) / sqrt(var + eps) * scale + offset, mean and variance of one set and channel.

    The variance is the biased one. Without `scaled` there is an offset only. Starts with scales
    of 1 and offsets of 0; keeps no running statistics.
    """

    def __init__(self, channels: int, eps: float, scaled: bool) -> None:
        super().__init__()
        self.eps = eps
        self.offset = nn.Parameter(torch.zeros(channels))
        self.scale = nn.Parameter(torch.ones(channels)) if scaled else None

    def forward(self, x: Tensor, sets: int) -> Tensor:
        """Normalise rows x [B * T, C, H, W] in the order of `interleaved`; T is `sets`.

        Returns [B, T * C, H, W], which is the same numbers in the same order: `apart` undoes it.
        """
        # The T maps that image b of every set has lie side by side, so that sets can pass for
        # channels. Nothing is copied, and what is returned is no view: it may be written over.
        together = x.contiguous().view(-1, sets * x.shape[1], *x.shape[2:])
        # Ones in place of none: the derivative of an offset without a scale fails on CUDA.
        scale = x.new_ones(together.shape[1]) if self.scale is None else self.scale.repeat(sets)
        return F.batch_norm(
            together, None, None, scale, self.offset.repeat(sets), training=True, eps=self.eps
        )


def apart(x: Tensor, sets: int) -> Tensor:
    """Turn [B, T * C, H, W] into rows [B * T, C, H, W] without a copy; T is `sets`."""
    return x.view(-1, x.shape[1] // sets, *x.shape[2:])
