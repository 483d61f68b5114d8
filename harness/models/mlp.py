"""Multi-layer perceptron of MAML: ReLU, optionally batch-normalised (authors' maml.py, fc)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from harness.models.batch_statistics import BatchStatistics


class MLP(nn.Module):
    """[B, …] → [B, outputs]; hidden layers are linear, (batch norm), ReLU.

    Weights start as a normal of deviation 0.01 truncated at two deviations, biases at 0, as in the
    authors' `construct_fc_weights`.
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        outputs: int,
        batch_norm: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        width = inputs
        for units in hidden:
            layers.append(nn.Linear(width, units))
            if batch_norm:
                layers.append(BatchStatistics(units))
            layers.append(nn.ReLU())
            width = units
        layers.append(nn.Linear(width, outputs))
        self.layers = nn.Sequential(*layers)
        with torch.no_grad():
            for layer in self.layers:
                if isinstance(layer, nn.Linear):
                    nn.init.trunc_normal_(
                        layer.weight, std=0.01, a=-0.02, b=0.02, generator=generator
                    )
                    layer.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """Map x [B, …] (flattened to `inputs` features) to outputs [B, outputs]."""
        outputs: Tensor = self.layers(x)
        return outputs
