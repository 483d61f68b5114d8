"""Linear layers with ReLU between them, and how they start (`npf/architectures/mlp.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class Perceptron(nn.Sequential):
    """[..., widths[0]] → [..., widths[-1]]; ReLU after all layers but the last.

    Weights start uniform within ±sqrt(6 / inputs), the last layer's too, biases at 0.
    """

    def __init__(self, widths: Sequence[int], generator: torch.Generator) -> None:
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layer = nn.Linear(inputs, outputs)
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(layer.bias)
            layers += [layer, nn.ReLU()]
        super().__init__(*layers[:-1])


class Merged(nn.Module):
    """A perceptron of two inputs a [..., widths[0]] and b [..., B]: b goes through a perceptron of
    its own, the sum of both through ReLU and on (`MergeFlatInputs` with `is_sum_merge`)."""

    def __init__(self, other: Sequence[int], widths: Sequence[int], generator: torch.Generator):
        super().__init__()
        self.resize = Perceptron(other, generator)
        self.layers = Perceptron(widths, generator)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Return [..., widths[-1]]; a and b may broadcast."""
        outputs: Tensor = self.layers(torch.relu(a + self.resize(b)))
        return outputs
