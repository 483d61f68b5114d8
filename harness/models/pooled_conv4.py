"""Conv4 with max-pooling: the embedding network of Matching and Prototypical Networks.

Vinyals et al. 2016, section 4.1; Snell et al. 2017, section 3.1 and `protonets/models/few_shot.py`.
Four times: 3x3 convolution with padding 1, batch norm, ReLU, 2x2 max-pool; then flatten.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BatchNormScale = Literal["one", "uniform"]


class _Block(nn.Module):
    """[B, C, H, W] → [B, filters, H // 2, W // 2]."""

    def __init__(
        self, channels: int, filters: int, scale: BatchNormScale, generator: torch.Generator
    ) -> None:
        super().__init__()
        # Made without memory first: torch's own initialisation would use its global random state.
        empty = nn.Conv2d(channels, filters, 3, padding=1, device="meta")
        self.convolution = empty.to_empty(device="cpu")
        self.norm = nn.BatchNorm2d(filters)
        bound = 1 / math.sqrt(9 * channels)
        with torch.no_grad():
            self.convolution.weight.uniform_(-bound, bound, generator=generator)
            assert self.convolution.bias is not None
            self.convolution.bias.uniform_(-bound, bound, generator=generator)
            if scale == "uniform":
                self.norm.weight.uniform_(generator=generator)

    def forward(self, x: Tensor, own_statistics: bool, parts: int, of_first: int | None) -> Tensor:
        x, norm = self.convolution(x), self.norm
        if own_statistics and (parts > 1 or of_first is not None):
            x = self._by_parts(x, parts, of_first)
        elif own_statistics:
            x = F.batch_norm(x, None, None, norm.weight, norm.bias, training=True, eps=norm.eps)
        else:
            x = norm(x)
        # ReLU and max commute; pooled first, ReLU has a quarter of the work.
        return F.relu(F.max_pool2d(x, 2))

    def _by_parts(self, x: Tensor, parts: int, of_first: int | None) -> Tensor:
        images, channels, height, width = x.shape
        # With channels last, a view. `var_mean` would take six times as long as two means.
        pixels = x.permute(0, 2, 3, 1).reshape(parts, -1, channels)
        seen = pixels if of_first is None else pixels[:, : of_first * height * width]
        mean = seen.mean(1, keepdim=True)
        variance = (seen - mean).square_().mean(1, keepdim=True)
        scale = (variance + self.norm.eps).rsqrt() * self.norm.weight
        pixels = torch.addcmul(self.norm.bias - mean * scale, pixels, scale)
        return pixels.reshape(images, height, width, channels).permute(0, 3, 1, 2)


class PooledConv4(nn.Module):
    """Embeds [B, C, H, W] as [B, filters * (H // 16) * (W // 16)].

    With 64 filters 28x28 gives 64 numbers and 84x84 gives 1600. Starts as torch's own layers do,
    but from `generator`: convolution weights and biases uniform within ±1/sqrt(9 * channels in)
    (`kaiming_uniform_` with a = sqrt(5), the same law in torch 0.4 and today), batch-norm shift 0
    and scale `one` (torch from 1.2 on) or `uniform` on [0, 1) (torch up to 1.1).
    """

    def __init__(
        self, channels: int, filters: int, scale: BatchNormScale, generator: torch.Generator
    ) -> None:
        super().__init__()
        inputs = (channels, filters, filters, filters)
        self.blocks = nn.ModuleList(_Block(n, filters, scale, generator) for n in inputs)
        # The same numbers in another order in memory: a third less time on a CPU.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(
        self,
        images: Tensor,
        own_statistics: bool = False,
        parts: int = 1,
        of_first: int | None = None,
    ) -> Tensor:
        """Embed `images` [B, C, H, W].

        Batch norm: in training mode the statistics of these images, which also move the running
        ones (momentum 0.1); in eval mode the running ones; with `own_statistics` those of these
        images, running ones untouched (transductive testing): of each of `parts` equal parts apart,
        taken over the first `of_first` images of a part (all of them unless told).
        """
        x = images.contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            x = block(x, own_statistics, parts, of_first)
        return x.flatten(1)
