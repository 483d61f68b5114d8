"""The conditional neural process (Garnelo et al. 2018) as in the Neural Process Family notebooks.

Each context point is encoded by itself, the codes are averaged, and a decoder gives a Gaussian at
each target from the average and the target's input.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from replications.neural_processes.perceptron import Merged, Perceptron
from replications.neural_processes.tasks import Context

VALUE_WIDTH = 32
"""Hidden units between a value and the width of an input's code: `MLP`'s default."""
DECODER_LAYERS = 4

Gaussian = tuple[Tensor, Tensor]
"""Mean and standard deviation, each [..., n]."""


def gaussian(outputs: Tensor, least: float) -> Gaussian:
    """Return mean and deviation from a decoder's outputs [..., n, 2]: the deviation is
    least + (1 - least) softplus(·)."""
    mean, raw = outputs.unbind(-1)
    return mean, least + (1 - least) * F.softplus(raw)


class PointEncoder(nn.Module):
    """Codes of inputs and of context points."""

    def __init__(self, width: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.inputs = Perceptron((1, width, width), generator)
        widths = (width, hidden, hidden, width)
        self.points = Merged((1, VALUE_WIDTH, width), widths, generator)

    def of_inputs(self, x: Tensor) -> Tensor:
        """Return the codes of inputs x [T, n], [T, n, width]."""
        codes: Tensor = self.inputs(x.unsqueeze(-1))
        return codes

    def of_points(self, codes: Tensor, y: Tensor) -> Tensor:
        """Return the codes of points with inputs' codes [T, C, width] and values y [T, C]."""
        points: Tensor = self.points(codes, y.unsqueeze(-1))
        return points


def decoder(width: int, generator: torch.Generator) -> Merged:
    """Return the decoder of an input's code and a representation."""
    widths = (*[width] * (DECODER_LAYERS + 1), 2)
    return Merged((width, width, width), widths, generator)


def mean_of_present(codes: Tensor, present: Tensor) -> Tensor:
    """Return the mean over the points that are present, [T, width]; 0 where none is."""
    kept = torch.where(present.unsqueeze(-1), codes, 0.0).sum(1)
    return kept / present.sum(1, keepdim=True).clamp(min=1)


class MeanNetwork(nn.Module):
    """CNP: the representation is the mean of the codes of the context."""

    def __init__(self, width: int, hidden: int, least: float, generator: torch.Generator) -> None:
        super().__init__()
        self.least = least
        self.encode = PointEncoder(width, hidden, generator)
        self.decode = decoder(width, generator)

    def forward(self, x: Tensor, y: Tensor, context: Context) -> Gaussian:
        """Return the prediction at inputs x [T, n], of whose values y [T, n] those of the context
        are known."""
        inputs = self.encode.of_inputs(x)
        points = self.encode.of_points(context.of(inputs), context.of(y))
        shared = mean_of_present(points, context.present).unsqueeze(1)
        return gaussian(self.decode(inputs, shared), self.least)
