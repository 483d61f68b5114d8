"""The convnets of Reptile (Nichol et al. 2018; code openai/supervised-reptile, `models.py`)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.models.batch_statistics import BatchStatistics
from harness.models.glorot import start_glorot
from harness.models.image_shape import check_image_shape
from harness.models.strided_conv4 import same_padding

Shrink = Literal["stride", "max-pool"]


class AffineConv4(nn.Module):
    """Images [B, C, size, size] → logits [B, ways].

    Four times: 3x3 convolution with 'SAME' padding, batch norm by the statistics of the batch at
    hand with scale and offset (ε 0.001), ReLU; then flatten and a linear head. `stride` halves by
    stride 2 (Omniglot); `max-pool` by a 2x2 pool between batch norm and ReLU (mini-ImageNet), where
    an odd last row and column have a pool of their own, as 'SAME' has it: 84 pixels become 6.
    Weights start Glorot-uniform, scales at 1, offsets at 0. Convolutions have no bias: the batch
    norm that follows takes any bias away, outputs and other gradients are the same without.
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        shrink: Shrink,
        size: int,
        ways: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.image_shape, self.shrink = (channels, size, size), shrink
        widths = [channels, filters, filters, filters]
        # Made without memory first: torch's own initialisation would use its global random state.
        self.convolutions = nn.ModuleList(
            nn.Conv2d(w, filters, 3, bias=False, device="meta").to_empty(device="cpu")
            for w in widths
        )
        self.norms = nn.ModuleList(BatchStatistics(filters, scale=True) for _ in widths)
        for _ in widths:
            size = -(-size // 2)
        self.head = nn.Linear(filters * size**2, ways, device="meta").to_empty(device="cpu")
        start_glorot([*self.convolutions, self.head], generator)

    def forward(self, x: Tensor) -> Tensor:
        """Map images to logits."""
        check_image_shape("AffineConv4", self.image_shape, x)
        stride = 2 if self.shrink == "stride" else 1
        for conv, norm in zip(self.convolutions, self.norms, strict=True):
            assert isinstance(conv, nn.Conv2d)
            before, after = same_padding(x.shape[-1], stride=stride)
            x = F.conv2d(F.pad(x, (before, after, before, after)), conv.weight, stride=stride)
            x = norm(x)
            if self.shrink == "max-pool":
                # A pool's zeros from the padding are what ReLU would make of less than zero.
                odd = x.shape[-1] % 2
                x = F.max_pool2d(F.pad(x, (0, odd, 0, odd)), 2)
            x = F.relu(x)
        outputs: Tensor = self.head(x.flatten(1))
        return outputs
