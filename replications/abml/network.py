"""A perceptron with weights of its own for each task: numbers, or normals (a belief)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from replications.abml.tasks import ARMS

Params = dict[str, Tensor]
"""Weights `w0` […, inputs, units] and biases `b0` […, units] of each layer; of a belief these are
means, and `log_sd:w0` and so on the logarithms of the deviations. … is nothing or [T]."""
SD = "log_sd:"


def started(hidden: Sequence[int], start_sd: float, generator: torch.Generator) -> Params:
    """Return a start: Glorot's for weights, 0 for biases; a belief if `start_sd` is not 0."""
    params, inputs = {}, 2
    for i, units in enumerate((*hidden, ARMS)):
        params[f"w{i}"] = nn.init.xavier_uniform_(torch.empty(inputs, units), generator=generator)
        params[f"b{i}"] = torch.zeros(units)
        inputs = units
    if start_sd:
        sds = {SD + k: torch.full_like(v, start_sd).log() for k, v in params.items()}
        params |= sds
    return params


def forward(params: Params, x: Tensor, noise: Tensor | None) -> Tensor:
    """Return outputs [T, S, 5] for inputs [T, S, 2] under params [T, …].

    With `noise` [T, S, units of all layers], standard normals, what goes into a unit is drawn from
    its normal (local reparametrisation, Kingma et al. 2015), each example with weights of its own;
    without it, the means are taken.
    """
    last = sum(k.startswith("w") for k in params) - 1
    used = 0
    for i in range(last + 1):
        w, b = params[f"w{i}"], params[f"b{i}"]
        into = x @ w + b.unsqueeze(-2)
        if noise is not None:
            sd_w, sd_b = params[f"{SD}w{i}"], params[f"{SD}b{i}"]
            variance = x.square() @ (2 * sd_w).exp() + (2 * sd_b).exp().unsqueeze(-2)
            here = noise[..., used : used + b.shape[-1]]
            into = into + variance.sqrt() * here
            used += b.shape[-1]
        x = into if i == last else into.relu()
    return x


def divergence(belief: Params, prior: Params) -> Tensor:
    """Return KL(belief || prior), summed over weights: [T] for a belief [T, …]."""
    total: Tensor | None = None
    for name in (k for k in prior if not k.startswith(SD)):
        log_q, log_p = belief[SD + name], prior[SD + name]
        apart = (2 * log_q).exp() + (belief[name] - prior[name]).square()
        each = log_p - log_q + apart / (2 * (2 * log_p).exp()) - 0.5
        summed = each.flatten(1).sum(1)
        total = summed if total is None else total + summed
    assert total is not None
    return total


def log_hyperprior(prior: Params, shape: float, rate: float) -> Tensor:
    """Return ln p(prior) but for constants: means standard normal, precisions 1/σ² Gamma."""
    total = torch.zeros_like(prior["w0"]).sum()
    for name, value in prior.items():
        if name.startswith(SD):
            total = total + ((shape - 1) * -2 * value - rate * (-2 * value).exp()).sum()
        else:
            total = total - value.square().sum() / 2
    return total
