"""The convolutional twin of Koch et al. (2015, figure 4): drawings to vectors in (0, 1).

Filters are wide (10, 7, 4 and 4 pixels) and images large, so that nearly all of a training step is
convolutions. On a CPU they go by way of Fourier space, in a layout of their own; on a GPU, by its
library.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.errors import HarnessError
from replications.siamese.fourier_convolution import fourier_convolution
from replications.siamese.pixels_first import max_pool, one_channel_convolution


class Twin(nn.Module):
    """Images [B, C, S, S] → [B, units].

    Convolutions without padding, each with ReLU and all but the last with 2x2 max-pooling, then a
    fully-connected layer with sigmoids. Weights start as N(0, 0.01²) in convolutions and N(0, 0.2²)
    in the fully-connected layer, biases as N(0.5, 0.01²).
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        filters: tuple[int, ...],
        kernels: tuple[int, ...],
        units: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        channels, side, _ = image_shape
        convolutions = []
        for i, (wide, kernel) in enumerate(zip(filters, kernels, strict=True)):
            convolutions.append(nn.Conv2d(channels, wide, kernel, device="meta"))
            last = i == len(filters) - 1
            channels, side = wide, (side - kernel + 1) // (1 if last else 2)
        if side < 1:
            raise HarnessError(
                f"tasks.image_size: found {image_shape[1]}, too small for filters of "
                f"{', '.join(map(str, kernels))} pixels with pooling between; set method.kernels."
            )
        dense = nn.Linear(channels * side**2, units, device="meta")
        self.layers = nn.ModuleList([*convolutions, dense]).to_empty(device="cpu")
        with torch.no_grad():
            for layer in self.layers:
                sd = 0.2 if isinstance(layer, nn.Linear) else 0.01
                layer.get_parameter("weight").normal_(0.0, sd, generator=generator)
                layer.get_parameter("bias").normal_(0.5, 0.01, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Return the vectors of images [B, C, S, S]."""
        *_, dense = self.layers
        maps = self._pixels_first(x) if x.device.type == "cpu" else self._images_first(x)
        vectors: Tensor = dense(maps.flatten(1)).sigmoid()
        return vectors

    def _images_first(self, x: Tensor) -> Tensor:
        """Return the last convolution's output [B, C, S, S]."""
        *convolutions, _ = self.layers
        for i, layer in enumerate(convolutions):
            x = layer(x)
            if i < len(convolutions) - 1:
                x = F.max_pool2d(x, 2)
            x = F.relu(x)
        return x

    def _pixels_first(self, x: Tensor) -> Tensor:
        """Return the same in less time on a CPU."""
        *convolutions, _ = self.layers
        x = x.permute(2, 3, 0, 1)
        for i, layer in enumerate(convolutions):
            weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
            if i == 0 and x.shape[-1] == 1:  # few products, for which Fourier space is a long way
                x = one_channel_convolution(x.squeeze(-1), weight)
            else:
                x = fourier_convolution(x, weight)
            if i < len(convolutions) - 1:
                x = max_pool(x)
            x = (x + bias).relu_()  # after pooling: the same, from a quarter of the numbers
        return x.permute(2, 3, 0, 1)
