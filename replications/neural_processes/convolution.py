"""The convolutional conditional neural process (Gordon et al. 2020), translation equivariant.

The context is laid on a grid by a set convolution, a residual network of depthwise separable
convolutions runs over the grid, and another set convolution reads it at the targets
(`npf/neuralproc/convnp.py`, `npf/architectures/setcnn.py` and `cnn.py`).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.errors import HarnessError
from replications.neural_processes.attention import ABSENT
from replications.neural_processes.networks import DECODER_LAYERS, Gaussian, gaussian
from replications.neural_processes.perceptron import Perceptron
from replications.neural_processes.tasks import Context

REACH = 1.5
"""The grid goes from -REACH to REACH; inputs are in [-1, 1]."""


def start_torch(layer: nn.Linear | nn.Conv1d, generator: torch.Generator) -> None:
    """Start weight and bias as torch does, uniform within ±1 / sqrt(inputs of an output)."""
    bound = layer.weight[0].numel() ** -0.5
    nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
    assert layer.bias is not None
    nn.init.uniform_(layer.bias, -bound, bound, generator=generator)


class SetConvolution(nn.Module):
    """Values [T, K, V] at keys [T, K] → [T, Q, outputs] at queries [T, Q].

    Weights of keys are exp(-(distance / scale)²) over their sum, the density, which is one more
    channel. `scale` is learned; at 1/256 from a key the weight starts at 0.9 of the greatest.
    """

    def __init__(self, values: int, outputs: int, generator: torch.Generator) -> None:
        super().__init__()
        scale = 1 / 256 / math.sqrt(-math.log(0.9))
        self.raw_scale = nn.Parameter(torch.tensor([math.log(math.expm1(scale))]))
        self.resize = nn.Linear(values + 1, outputs)
        start_torch(self.resize, generator)

    def forward(
        self, keys: Tensor, queries: Tensor, values: Tensor, present: Tensor | None = None
    ) -> Tensor:
        """Return the convolution over the keys that are `present` [T, K] (all)."""
        scale = 1e-5 + F.softplus(self.raw_scale)
        power = -(((keys.unsqueeze(1) - queries.unsqueeze(2)) / scale) ** 2)
        if present is not None:
            power = power.masked_fill(~present.unsqueeze(1), ABSENT)
        density = power.exp().sum(-1, keepdim=True)
        outputs: Tensor = self.resize(torch.cat([power.softmax(-1) @ values, density], -1))
        return outputs


class Separable(nn.Sequential):
    """Batch norm, ReLU, and a convolution of each channel by itself: [T, channels, L] → same."""

    def __init__(self, channels: int, taps: int, generator: torch.Generator) -> None:
        depthwise = nn.Conv1d(channels, channels, taps, padding=taps // 2, groups=channels)
        start_torch(depthwise, generator)
        super().__init__(nn.BatchNorm1d(channels), nn.ReLU(), depthwise)


class ResidualBlock(nn.Module):
    """[T, channels, L] → same; the residual joins before the last mixing of channels."""

    def __init__(self, channels: int, taps: int, generator: torch.Generator) -> None:
        super().__init__()
        self.separable = nn.ModuleList(Separable(channels, taps, generator) for _ in range(2))
        mix = [nn.Conv1d(channels, channels, 1) for _ in range(2)]
        for layer in mix:
            start_torch(layer, generator)
        self.mix = nn.ModuleList(mix)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's outputs."""
        inner = self.mix[0](self.separable[0](x))
        outputs: Tensor = self.mix[1](self.separable[1](inner) + x)
        return outputs


class ConvolutionalNetwork(nn.Module):
    """ConvCNP; the decoder does not see the input's place."""

    def __init__(
        self,
        width: int,
        blocks: int,
        taps: int,
        density: int,
        least: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if taps % 2 == 0:
            raise HarnessError(f"method.taps: found {taps}, wanted an odd number.")
        self.least = least
        grid = torch.linspace(-REACH, REACH, int(density * 2 * REACH))
        self.register_buffer("grid", grid, persistent=False)
        self.grid: Tensor
        self.onto_grid = SetConvolution(1, width, generator)
        self.blocks = nn.Sequential(*(ResidualBlock(width, taps, generator) for _ in range(blocks)))
        self.off_grid = SetConvolution(width, width, generator)
        self.decode = Perceptron((*[width] * (DECODER_LAYERS + 1), 2), generator)

    def forward(self, x: Tensor, y: Tensor, context: Context) -> Gaussian:
        """Return the prediction at inputs x [T, n], of whose values y [T, n] those of the context
        are known."""
        grid = self.grid.to(x.dtype).expand(len(x), -1)
        values = context.of(y).unsqueeze(-1)
        laid = self.onto_grid(context.of(x), grid, values, context.present)
        # As the authors: without context the grid is zero, without even the layer's bias.
        laid = torch.where(context.empty()[:, None, None], 0.0, laid)
        over = self.blocks(laid.transpose(1, 2)).transpose(1, 2)
        return gaussian(self.decode(self.off_grid(grid, x, over)), self.least)
