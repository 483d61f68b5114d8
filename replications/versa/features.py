"""The feature extractor of VERSA (authors' code: `features.py`, `conv2d_pool_block`)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.models.set_statistics import SetStatistics, apart, by_set, interleaved

PoolPadding = Literal["same", "valid"]


def truncated_glorot_(weight: Tensor, generator: torch.Generator) -> None:
    """Fill as TensorFlow's `xavier_initializer(uniform=False)`: a normal cut off at two deviations.

    Its deviation before the cut is sqrt(1.3 / mean of inputs and outputs of a unit); the factor 1.3
    makes up for what the cut takes away.
    """
    taps = weight[0, 0].numel()
    units = taps * (weight.shape[0] + weight.shape[1]) / 2
    s = math.sqrt(1.3 / units)
    nn.init.trunc_normal_(weight, std=s, a=-2 * s, b=2 * s, generator=generator)


def dropped(x: Tensor, keep: float, generator: torch.Generator | None) -> Tensor:
    """Return which entries of x dropout sets to zero: bool, each true with probability 1 - keep.

    The probability is rounded to a multiple of 1 / 65536: sixteen random bits an entry are several
    times faster to draw on a CPU than what `bernoulli_` uses.
    """
    words = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device)
    words.random_(-(2**63), None, generator=generator)
    bits = words.view(torch.int16)[: x.numel()].view(x.shape)
    return bits < round((1 - keep) * 2**16) - 2**15


class Features(nn.Module):
    """Images [T, B, C, H, W] of T sets → features [T, B, D].

    Blocks of 3x3 convolution without bias, batch norm by the statistics of the set (offset, no
    scale, ε 1e-5; at test too), ReLU, dropout, 2x2 max pool. A pool pads an odd row and column
    (`same`) or drops it (`valid`): 28 pixels end as 2 after four `same` pools, 84 as 2 after five
    `valid` ones, so that 64 filters give D = 256 for both.
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        blocks: int,
        pool_padding: PoolPadding,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.pool_padding = pool_padding
        inputs = [channels] + [filters] * (blocks - 1)
        # Made without memory first: torch's own initialisation would use its global random state.
        self.convolutions = nn.ModuleList(
            nn.Conv2d(n, filters, 3, padding=1, bias=False, device="meta").to_empty(device="cpu")
            for n in inputs
        )
        self.norms = nn.ModuleList(SetStatistics(filters, 1e-5, scaled=False) for _ in inputs)
        with torch.no_grad():
            for conv in self.convolutions:
                assert isinstance(conv, nn.Conv2d)
                truncated_glorot_(conv.weight, generator)

    def size(self, pixels: int) -> int:
        """Return D for images of `pixels` a side."""
        for _ in self.convolutions:
            pixels = (pixels + (self.pool_padding == "same")) // 2
        filters = self.convolutions[0].out_channels
        assert isinstance(filters, int)
        return filters * pixels**2

    def forward(
        self, images: Tensor, keep: float = 1.0, generator: torch.Generator | None = None
    ) -> Tensor:
        """Embed each set by its own statistics; activations are kept with probability `keep`."""
        sets, x = len(images), interleaved(images)
        for conv, norm in zip(self.convolutions, self.norms, strict=True):
            x = norm(conv(x), sets)
            if keep < 1:
                # In place: what batch norm keeps for its derivative is its input.
                x = x.masked_fill_(dropped(x, keep, generator), 0)
            # The authors pool last. ReLU, max and the factor 1 / keep commute with each other and
            # ReLU with dropped zeros; after the pool there is a quarter of the work.
            x = F.relu(F.max_pool2d(x, 2, ceil_mode=self.pool_padding == "same"))
            x = apart(x / keep if keep < 1 else x, sets)
        return by_set(x.flatten(1), sets)
