"""Networks that turn a support set into parameters (authors' `set_encoder.py`,
`adaptation_networks.py`). All of them take T tasks at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.models.set_statistics import SetStatistics, apart, by_set, interleaved
from replications.cnaps.extractor import Film


def dense(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """Return a dense layer that starts as torch's do, uniform within ±1 / sqrt(inputs)."""
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-(inputs**-0.5), inputs**-0.5, generator=generator)
    return layer


class Residual(nn.Module):
    """x + dense(x)."""

    def __init__(self, size: int, generator: torch.Generator) -> None:
        super().__init__()
        self.layer = dense(size, size, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Add what the layer gives."""
        outputs: Tensor = x + self.layer(x)
        return outputs


def residuals(size: int, generator: torch.Generator) -> list[nn.Module]:
    """Return three residual layers with ReLU between them."""
    a, b, c = (Residual(size, generator) for _ in range(3))
    return [a, nn.ReLU(), b, nn.ReLU(), c]


class SetEncoder(nn.Module):
    """Support images [T, S, C, H, W] → one vector per task [T, filters], whatever their order.

    Blocks of 3x3 convolution, batch norm, ReLU, 2x2 max pool; mean over space, mean over the set.
    Batch norm goes by the statistics of the support set at hand, at test too: the authors leave
    this network in training mode, and it sees support images only.
    """

    def __init__(
        self, channels: int, filters: int, blocks: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        inputs = [channels] + [filters] * (blocks - 1)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(n, filters, 3, padding=1, bias=False, device="meta").to_empty(device="cpu")
            for n in inputs
        )
        self.norms = nn.ModuleList(SetStatistics(filters, 1e-5, scaled=True) for _ in inputs)
        with torch.no_grad():
            for conv, n in zip(self.convolutions, inputs, strict=True):
                assert isinstance(conv, nn.Conv2d)
                conv.weight.uniform_(-((9 * n) ** -0.5), (9 * n) ** -0.5, generator=generator)

    def forward(self, images: Tensor) -> Tensor:
        """Encode each set."""
        sets, x = len(images), interleaved(images)
        for conv, norm in zip(self.convolutions, self.norms, strict=True):
            x = apart(F.relu(F.max_pool2d(norm(conv(x), sets), 2)), sets)
        return by_set(x.mean((-2, -1)), sets).mean(1)


class FilmLayer(nn.Module):
    """Task vectors [T, z] → γ and β [T, maps] of one block.

    With `local` > 0 (auto-regressive) it also sees the support set's features before that block
    [T, S, local], by way of a mean over the set. γ - 1 and β are what their network gives times a
    learned vector that starts near 0 and is what the penalty pulls there, so that a block starts
    unadapted.
    """

    def __init__(self, z: int, local: int, maps: int, generator: torch.Generator) -> None:
        super().__init__()
        self.each = self.pooled = None
        if local:
            first = [dense(local, maps, generator), nn.ReLU()]
            self.each = nn.Sequential(*first, *residuals(maps, generator))
            self.pooled = nn.Sequential(dense(maps, maps, generator), nn.ReLU())
        else:
            self.shared = nn.Sequential(dense(z, maps, generator), nn.ReLU())
        self.networks = nn.ModuleDict()
        self.sizes = nn.ParameterDict()
        for name in ("gamma", "beta"):
            first = [dense(maps + z, maps, generator), nn.ReLU()] if local else []
            self.networks[name] = nn.Sequential(*first, *residuals(maps, generator))
            self.sizes[name] = nn.Parameter(torch.empty(maps).normal_(0, 1e-3, generator=generator))

    def forward(self, task: Tensor, support: Tensor | None) -> Film:
        """Return γ and β; `support` [T, S, local] is for the auto-regressive form only."""
        if self.each is None or self.pooled is None or support is None:
            x = self.shared(task)
        else:
            x = torch.cat([self.pooled(self.each(support).mean(1)), task], -1)
        gamma, beta = (self.networks[k](x) * self.sizes[k] for k in ("gamma", "beta"))
        return 1 + gamma, beta

    def penalty(self) -> Tensor:
        """Return the squared length of both learned vectors."""
        squares: Tensor = self.sizes["gamma"].square().sum() + self.sizes["beta"].square().sum()
        return squares


class LinearClassifier(nn.Module):
    """Mean class features [T, N, D] → weights [T, N, D] and biases [T, N, 1] of a linear head.

    Three dense layers with ELU between for each; the weights' network adds its input. What it does
    to a class does not depend on the others, so any number of classes will do.
    """

    def __init__(self, size: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weight, self.bias = (self._network(size, out, generator) for out in (size, 1))

    @staticmethod
    def _network(size: int, out: int, generator: torch.Generator) -> nn.Sequential:
        widths = (size, size, out)
        first, second, third = (dense(size, n, generator) for n in widths)
        return nn.Sequential(first, nn.ELU(), second, nn.ELU(), third)

    def forward(self, class_features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the head's weights and biases."""
        return class_features + self.weight(class_features), self.bias(class_features)
