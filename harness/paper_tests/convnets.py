"""What the tests of several convolutional networks check in each."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn


def images(size: int, count: int = 2, channels: int = 3) -> torch.Tensor:
    """Random images [count, channels, size, size]."""
    g = torch.Generator().manual_seed(1)
    return torch.rand(count, channels, size, size, generator=g)


def shift_parameters(net: nn.Module) -> None:
    """Move what starts at 0 or 1, where it could be missed."""
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(2)))


def assert_glorot_uniform(weight: torch.Tensor, fan_in: int, fan_out: int) -> None:
    """The weight is uniform within sqrt(6 / (fan_in + fan_out)) of 0."""
    limit = math.sqrt(6 / (fan_in + fan_out))
    assert 0.98 * limit < float(weight.abs().max()) <= limit
    assert float(weight.std()) == pytest.approx(limit / math.sqrt(3), rel=0.05)
