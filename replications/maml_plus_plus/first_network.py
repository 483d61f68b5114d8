"""The network of MAML++'s code of 21 October to 26 November 2018, and how it started."""

from __future__ import annotations

from typing import Literal, assert_never

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.models.image_shape import check_image_shape
from replications.maml_plus_plus.network import LeakyPoolConv4

Start = Literal["glorot-normal", "normal", "glorot-uniform"]
"""`glorot-normal`: convolutions by Glorot's normal law, the head standard normal (21 October).
`normal`: convolutions standard normal, all weights of the head 1 (19 November). `glorot-uniform`:
both by Glorot's uniform law (25 November, and ever since)."""


class PoolNormConv4(LeakyPoolConv4):
    """Images [B, C, size, size] → logits [B, ways].

    Four times (3x3 convolution, leaky ReLU, 2x2 max-pool, batch norm), leaky ReLU, linear head: the
    authors' `VGGLeakyReLUNormNetwork`, whose batch norms stand before the next convolution.
    """

    rectified_input = False
    """Images go through the leaky ReLU, and the first convolution's maps do not (21 October)."""

    def features(self, x: Tensor) -> Tensor:
        """Embed images [B, C, size, size] as what the head sees: [B, features]."""
        check_image_shape(type(self).__name__, self.image_shape, x)
        if self.rectified_input:
            x = F.leaky_relu(x)
        for i, (conv, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            # The authors pool after the activation: the same function, as both are monotone.
            x = F.max_pool2d(conv(x), 2)
            if i or not self.rectified_input:
                x = F.leaky_relu(x)
            x = norm(x)
        return F.leaky_relu(x).flatten(1)


@torch.no_grad()
def start(network: PoolNormConv4, law: Start, generator: torch.Generator) -> None:
    """Draw convolutions and head anew; biases stay 0, scales 1."""
    weights = [conv.weight for conv in network.convolutions if isinstance(conv, nn.Conv2d)]
    if law == "glorot-normal":
        for weight in weights:
            nn.init.xavier_normal_(weight, generator=generator)
        network.head.weight.normal_(generator=generator)
    elif law == "normal":
        for weight in weights:
            weight.normal_(generator=generator)
        network.head.weight.fill_(1.0)
    elif law != "glorot-uniform":  # as which it was made
        assert_never(law)
