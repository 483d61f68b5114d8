"""The feature extractor of CNAPs: pre-trained, then frozen and modulated by FiLM for each task."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Film = tuple[Tensor, Tensor]
"""γ and β [T, maps] of one block: every map x of task t becomes γ_t x + β_t."""


class Extractor(nn.Module):
    """Blocks of 3x3 convolution, batch norm, (FiLM), ReLU and 2x2 max pool; mean over space.

    `widths` are the maps of each block. Convolutions start He-normal and have no bias.
    """

    def __init__(self, channels: int, widths: Sequence[int], generator: torch.Generator) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            # Made without memory first: torch's own initialisation would use its global state.
            nn.Conv2d(n, m, 3, padding=1, bias=False, device="meta").to_empty(device="cpu")
            for n, m in zip([channels, *widths], widths, strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(m) for m in widths)
        for conv in self.convolutions:
            assert isinstance(conv, nn.Conv2d)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu", generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Embed images [B, C, H, W] as [B, widths[-1]], unadapted.

        In training mode batch norm goes by the statistics of these images (pre-training), in eval
        mode by the running ones.
        """
        for conv, norm in zip(self.convolutions, self.norms, strict=True):
            x = F.relu(F.max_pool2d(norm(conv(x)), 2))
        return x.mean((-2, -1))

    def block(self, i: int, x: Tensor, film: Film | None) -> Tensor:
        """Do block i on images or maps [T, B, C, H, W] of T tasks, by running statistics."""
        conv, norm = self.convolutions[i], self.norms[i]
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        maps = conv(x.flatten(0, 1))
        # Frozen batch norm and FiLM are affine in each map: one slope and one shift do both.
        slope = norm.weight / (norm.running_var + norm.eps).sqrt()
        shift = norm.bias - norm.running_mean * slope
        if film is not None:
            of_each = x.shape[1]
            gamma, beta = (part.repeat_interleave(of_each, 0) for part in film)
            slope, shift = gamma * slope, gamma * shift + beta
        maps = torch.addcmul(shift[..., None, None], maps, slope[..., None, None])
        maps = F.relu(F.max_pool2d(maps, 2))
        return maps.view(*x.shape[:2], *maps.shape[1:])

    def embed(self, x: Tensor, films: Sequence[Film | None], first: int = 0) -> Tensor:
        """Embed [T, B, C, H, W] as [T, B, widths[-1]] by the blocks from `first` on, with one entry
        of `films` for each of these."""
        for i, film in enumerate(films, first):
            x = self.block(i, x, film)
        return x.mean((-2, -1))
