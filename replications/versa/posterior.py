"""The amortised posterior over a linear classifier, and predictions averaged over it.

Context-independent inference, as the paper calls it: weights and bias of a class are Gaussian,
with independent coordinates whose means and variances are functions of that class's own mean
support feature. The same functions serve every class, so a task may have any number of them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from replications.versa.features import truncated_glorot_

QUANTITIES = ("weight_mean", "weight_log_variance", "bias_mean", "bias_log_variance")


class Amortised(nn.Module):
    """Class features [T, N, D] → posterior: QUANTITIES, weights [T, N, D], biases [T, N, 1].

    Four networks of three dense layers, ELU after the first two, D hidden units. Weights start as
    `truncated_glorot_`, biases as normals of deviation 0.001 (authors' code, `inference.py`).
    """

    def __init__(self, size: int, generator: torch.Generator) -> None:
        super().__init__()
        self.networks = nn.ModuleDict()
        for name in QUANTITIES:
            last = size if name.startswith("weight") else 1
            layers = [nn.Linear(size, n, device="meta") for n in (size, size, last)]
            for layer in layers:
                layer.to_empty(device="cpu")
                with torch.no_grad():
                    truncated_glorot_(layer.weight, generator)
                    layer.bias.normal_(std=1e-3, generator=generator)
            first, second, third = layers
            self.networks[name] = nn.Sequential(first, nn.ELU(), second, nn.ELU(), third)

    def forward(self, class_features: Tensor) -> dict[str, Tensor]:
        """Return the posterior of every class from its mean feature."""
        return {name: network(class_features) for name, network in self.networks.items()}


def logit_moments(posterior: dict[str, Tensor], queries: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance [T, Q, N] of the logits of queries [T, Q, D].

    A logit is linear in Gaussian weights, so it is Gaussian itself, and logits of different classes
    are independent: sampling logits query by query (local reparameterisation) gives each query the
    same law as sampling weights.
    """
    mean = queries @ posterior["weight_mean"].mT + posterior["bias_mean"].mT
    weight, bias = (posterior[f"{part}_log_variance"].exp() for part in ("weight", "bias"))
    return mean, queries.square() @ weight.mT + bias.mT


def sampled_logits(posterior: dict[str, Tensor], queries: Tensor, normals: Tensor) -> Tensor:
    """Return logits [T, L, Q, N] from standard normals of that shape."""
    mean, variance = logit_moments(posterior, queries)
    return mean.unsqueeze(1) + normals * variance.sqrt().unsqueeze(1)


def log_predictive(logits: Tensor) -> Tensor:
    """Return ln of the softmax averaged over L samples: [T, L, Q, N] → [T, Q, N]."""
    return F.log_softmax(logits, -1).logsumexp(1) - math.log(logits.shape[1])
