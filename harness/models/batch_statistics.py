"""Batch normalisation by the statistics of the batch at hand, in training and at test alike.

That is what `tf.contrib.layers.batch_norm` does in the MAML code (its default training mode is left
on at test): centre but no scale, ε = 0.001, running averages never used. It keeps no state, so it
can run under `torch.func` and per task.

To ask what other statistics would give, those that a forward pass meets are `recorded`, and another
pass is `normalised_by` them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.errors import HarnessError

Moments = tuple[Tensor, Tensor]
"""Mean and variance (of n, not n - 1) of each channel, [C] each."""


class BatchStatistics(nn.Module):
    """(x - mean) / sqrt(var + eps) * weight + bias over all axes but the channel axis 1.

    The weights start at 1 and are there with `scale` alone; biases start at 0.
    """

    given: Moments | None = None
    """Statistics that stand in for those of the batch; set by `normalised_by` alone."""

    def __init__(self, channels: int, eps: float = 1e-3, scale: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels)) if scale else None
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x [B, C, …].

        Raises HarnessError where a channel has one value alone, whose variance is no variance.
        """
        shape = (-1, *[1] * (x.dim() - 2))
        if self.given is not None:
            mean, variance = (moment.view(shape) for moment in self.given)
            normal = (x - mean) * (variance + self.eps).rsqrt()
            if self.weight is not None:
                normal = normal * self.weight.view(shape)
            return normal + self.bias.view(shape)
        if x.numel() == x.shape[1]:
            raise HarnessError(
                "batch norm: found one value of each channel, wanted two or more: give it more "
                "examples at once."
            )
        if self.weight is not None:
            return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)
        # The offset is added outside: torch's double backward of a batch norm with an offset and no
        # scale fails ("Expected a proper Tensor but got None").
        normal = F.batch_norm(x, None, None, training=True, eps=self.eps)
        return normal + self.bias.view(shape)


def norms(model: nn.Module) -> dict[str, BatchStatistics]:
    """Return the layers of `model` that normalise by batch statistics, by name."""
    return {n: m for n, m in model.named_modules() if isinstance(m, BatchStatistics)}


@contextmanager
def recorded(model: nn.Module) -> Iterator[dict[str, Moments]]:
    """Collect the statistics of what each batch norm is given; the last forward pass counts."""
    moments: dict[str, Moments] = {}

    def keep(name: str) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor]) -> None:
            (x,) = inputs
            variance, mean = torch.var_mean(x, [0, *range(2, x.dim())], correction=0)
            moments[name] = (mean, variance)

        return hook

    hooks = [norm.register_forward_pre_hook(keep(name)) for name, norm in norms(model).items()]
    try:
        yield moments
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def normalised_by(model: nn.Module, moments: Mapping[str, Moments]) -> Iterator[None]:
    """Let each batch norm normalise by the statistics under its name, whatever it is given."""
    layers = norms(model)
    before = {name: norm.given for name, norm in layers.items()}
    try:
        for name, norm in layers.items():
            norm.given = moments[name]
        yield
    finally:
        for name, norm in layers.items():
            norm.given = before[name]
