"""Classifiers on features: linear, by cosine, and many of them fitted at once, one for each task.

Authors' code: github.com/wyharveychen/CloserLookFewShot, `backbone.py` (`distLinear`) and
`methods/baselinefinetune.py`. Weights have a leading task axis where there are several classifiers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Head = dict[str, Tensor]
NEAR_ZERO = 1e-5  # added to the norm of a feature vector, as the authors do


@dataclass(frozen=True)
class HeadSGD:
    """How a head is fitted: passes over the support set in mini-batches, torch's SGD."""

    epochs: int
    batch: int
    rate: float
    momentum: float
    dampening: float
    weight_decay: float


def new_head(kind: str, outputs: int, features: int, generator: torch.Generator) -> Head:
    """Start a head as torch's `Linear`: uniform within ±1/sqrt(features).

    `linear`: `weight` [outputs, features] and `bias` [outputs]. `cosine`: the same weight,
    normalised and without bias: `direction` [outputs, features] and its norm `length` [outputs, 1].
    """
    bound = features**-0.5
    weight = torch.empty(outputs, features).uniform_(-bound, bound, generator=generator)
    if kind == "cosine":
        return {"direction": weight, "length": weight.norm(dim=1, keepdim=True)}
    bias = torch.empty(outputs).uniform_(-bound, bound, generator=generator)
    return {"weight": weight, "bias": bias}


def head_scores(head: Head, z: Tensor, scale: float) -> Tensor:
    """Return logits [..., B, outputs] of features z [..., B, D].

    `cosine`: `scale` times the learned length of each class times the cosine.
    """
    if "direction" in head:
        weight = head["length"] * head["direction"] / head["direction"].norm(dim=-1, keepdim=True)
        z = scale * z / (z.norm(dim=-1, keepdim=True) + NEAR_ZERO)
        logits: Tensor = z @ weight.transpose(-1, -2)
        return logits
    return z @ head["weight"].transpose(-1, -2) + head["bias"].unsqueeze(-2)


def fit_heads(
    start: Head, z: Tensor, y: Tensor, sgd: HeadSGD, scale: float, generator: torch.Generator
) -> Head:
    """Fit a head to each of T support sets at once: z [T, S, D], y [T, S]; weights [T, ...].

    All start from `start` and take their examples in the same random orders from `generator`; which
    examples stand there differs from task to task. The loss is the mean over a mini-batch.
    """
    heads = {k: v.expand(len(z), *v.shape).clone().requires_grad_() for k, v in start.items()}
    speed: Head = {}
    for _ in range(sgd.epochs):
        order = torch.randperm(y.shape[1], generator=generator).to(z.device)
        for rows in order.split(sgd.batch):
            with torch.enable_grad():
                logits = head_scores(heads, z[:, rows], scale)
                losses = F.cross_entropy(
                    logits.flatten(0, 1), y[:, rows].flatten(), reduction="sum"
                )
                # Tasks share no weight, so the gradient of the sum is that of each task's loss.
                gradients = torch.autograd.grad(losses / len(rows), list(heads.values()))
            for (name, weight), gradient in zip(heads.items(), gradients, strict=True):
                step = gradient + sgd.weight_decay * weight.detach()
                if name in speed:
                    step = sgd.momentum * speed[name] + (1 - sgd.dampening) * step
                speed[name] = step
                weight.data.sub_(sgd.rate * step)
    return {k: v.detach() for k, v in heads.items()}


def nearest(z: Tensor, y: Tensor, queries: Tensor) -> Tensor:
    """Return for each of queries [T, Q, D] the label of the support example z [T, S, D] with the
    largest cosine: [T, Q]."""
    cosines = F.normalize(queries, dim=-1) @ F.normalize(z, dim=-1).transpose(1, 2)
    return y.gather(1, cosines.argmax(-1))
