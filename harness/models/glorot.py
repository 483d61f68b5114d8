"""Glorot and Bengio's uniform start (AISTATS 2010), from a generator of our own."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn


@torch.no_grad()
def start_glorot(layers: Iterable[nn.Module], generator: torch.Generator) -> None:
    """Draw the weights of convolutions and linear layers; biases, where there are any, start at 0.

    Weights are uniform within ± sqrt(6 / (fan in + fan out)).
    """
    for layer in layers:
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        nn.init.xavier_uniform_(layer.weight, generator=generator)
        if layer.bias is not None:
            layer.bias.zero_()
