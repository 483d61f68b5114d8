"""The attentive conditional neural process (Kim et al. 2019, without its latent variable).

Each target looks at the codes of the context by multi-head attention, with a transformer's norms
and residuals (`TransformerAttender`, `npf/architectures/attention.py`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.errors import HarnessError
from replications.neural_processes.networks import Gaussian, PointEncoder, decoder, gaussian
from replications.neural_processes.perceptron import Perceptron
from replications.neural_processes.tasks import Context

ABSENT = -1e9
"""Added to the score of a point that is not there."""


class CrossAttention(nn.Module):
    """Keys and values [T, C, W], queries [T, n, W] → [T, n, W].

    Weights of the projections start normal with deviation sqrt(2 / (W + W / heads)), the queries'
    bias uniform within ±1 / sqrt(W).
    """

    def __init__(self, width: int, heads: int, generator: torch.Generator) -> None:
        super().__init__()
        if width % heads:
            raise HarnessError(f"method.heads: found {heads}, wanted a divisor of {width}.")
        self.heads = heads
        self.key = nn.Linear(width, width, bias=False)
        self.query = nn.Linear(width, width)
        self.value = nn.Linear(width, width, bias=False)
        deviation = (2 / (width + width // heads)) ** 0.5
        for layer in (self.key, self.query, self.value):
            nn.init.normal_(layer.weight, std=deviation, generator=generator)
        bound = width**-0.5
        nn.init.uniform_(self.query.bias, -bound, bound, generator=generator)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.after = Perceptron((width, width, width), generator)

    def forward(self, keys: Tensor, queries: Tensor, values: Tensor, present: Tensor) -> Tensor:
        """Return what the queries see of the points that are `present` [T, C]."""

        def split(x: Tensor) -> Tensor:
            return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

        scores = torch.zeros_like(present, dtype=queries.dtype).masked_fill(~present, ABSENT)
        seen = F.scaled_dot_product_attention(
            split(self.query(queries)),
            split(self.key(keys)),
            split(self.value(values)),
            attn_mask=scores[:, None, None],
        )
        first = self.norms[0](seen.transpose(1, 2).flatten(2) + queries)
        second: Tensor = self.norms[1](first + self.after(first))
        return second


class AttentiveNetwork(nn.Module):
    """AttnCNP: each target has a representation of its own."""

    def __init__(
        self, width: int, hidden: int, heads: int, least: float, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.least = least
        self.encode = PointEncoder(width, hidden, generator)
        self.attend = CrossAttention(width, heads, generator)
        self.decode = decoder(width, generator)

    def forward(self, x: Tensor, y: Tensor, context: Context) -> Gaussian:
        """Return the prediction at inputs x [T, n], of whose values y [T, n] those of the context
        are known."""
        inputs = self.encode.of_inputs(x)
        keys = context.of(inputs)
        points = self.encode.of_points(keys, context.of(y))
        seen = self.attend(keys, inputs, points, context.present)
        own = torch.where(context.empty()[:, None, None], 0.0, seen)
        return gaussian(self.decode(inputs, own), self.least)
