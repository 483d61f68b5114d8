"""Stacked LSTM layers with skip connections, as in Graves (2013, arXiv 1308.0850, section 2).

Every layer reads the input and the layer below it; the read-out reads all layers. States before the
first step are learned. One bias for each gate, no peepholes: that makes, to the last one, the
numbers of parameters that Graves et al. (2014, Table 3) print for their LSTMs.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class StackedLSTM(nn.Module):
    """Maps [T, S, inputs] to [T, S, outputs]; weights are uniform within ± 1 / sqrt(units)."""

    def __init__(
        self, inputs: int, outputs: int, units: int, layers: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        # torch's own layers have two biases for each gate. A constant input gives one.
        below = [inputs + 1 + (units if k else 0) for k in range(layers)]
        self.layers = nn.ModuleList(
            nn.LSTM(width, units, bias=False, batch_first=True) for width in below
        )
        self.start = nn.Parameter(torch.empty(layers, 2, units))
        self.output = nn.Linear(layers * units, outputs)
        bound = 1 / math.sqrt(units)
        with torch.no_grad():
            for weights in self.parameters():
                weights.uniform_(-bound, bound, generator=generator)
            for layer in self.layers:
                layer.get_parameter("weight_ih_l0")[:, inputs] = 0.0
            self.output.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """Run T sequences from the learned state."""
        shown = torch.cat([x, x.new_ones(*x.shape[:2], 1)], -1)
        passed: list[Tensor] = []
        for layer, start in zip(self.layers, self.start, strict=True):
            below = torch.cat([shown, *passed[-1:]], -1)
            hidden, cell = start[:, None, None].expand(-1, 1, len(x), -1).contiguous()
            passed.append(layer(below, (hidden, cell))[0])
        outputs: Tensor = self.output(torch.cat(passed, -1))
        return outputs
