"""Many small networks at once: particles, each of them all weights of one network in a row.

Particles are [M, S, D]: M of them, each for S tasks, where S is 1 while they are the same for all
tasks. A row begins with weight (inputs x outputs) and bias of each layer in turn; what stands
behind these is not the network's. A layer is one batched product for all particles and tasks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor


class Pass(NamedTuple):
    """What a pass through the networks leaves."""

    inputs: list[Tensor]
    """Of each layer: [M S, rows, inputs of the layer]."""
    outputs: Tensor
    """[M, T, K]."""


class Networks:
    """ReLU networks of one shape, with one output; gradients are written out, so that they may be
    differentiated by a single backward pass."""

    def __init__(self, inputs: int, hidden: Sequence[int]) -> None:
        sizes = [inputs, *hidden, 1]
        self.shapes = list(pairwise(sizes))
        self.count = sum(inputs * outputs + outputs for inputs, outputs in self.shapes)
        """P, weights and biases of one network."""

    def start(self, particles: int, generator: torch.Generator) -> Tensor:
        """Draw [M, P]: weights uniform by Glorot and Bengio, biases normal of deviation 0.01
        (authors' `bnn.py`)."""
        parts = []
        for inputs, outputs in self.shapes:
            bound = math.sqrt(6 / (inputs + outputs))
            weight = torch.empty(particles, inputs * outputs)
            bias = torch.empty(particles, outputs)
            parts += [
                weight.uniform_(-bound, bound, generator=generator),
                bias.normal_(0, 0.01, generator=generator),
            ]
        return torch.cat(parts, 1)

    def layers(self, particles: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield weights [..., inputs, outputs] and biases [..., 1, outputs] of each layer of
        particles [..., D], as views."""
        at = 0
        for inputs, outputs in self.shapes:
            middle, end = at + inputs * outputs, at + inputs * outputs + outputs
            weight = particles[..., at:middle].unflatten(-1, (inputs, outputs))
            yield weight, particles[..., middle:end].unsqueeze(-2)
            at = end

    def run(self, particles: Tensor, x: Tensor) -> Pass:
        """Map x [T, K, inputs] through particles [M, S, D], S = 1 or T."""
        m, s, _ = particles.shape
        h = x.reshape(1, s, -1, x.shape[-1]).expand(m, -1, -1, -1).flatten(0, 1)
        inputs = []
        for i, (weight, bias) in enumerate(self.layers(particles.flatten(0, 1))):
            inputs.append(h)
            h = torch.baddbmm(bias, h, weight)
            if i < len(self.shapes) - 1:
                h = h.relu()
        return Pass(inputs, h.reshape(m, *x.shape[:2]))

    def gradients(self, particles: Tensor, done: Pass, upon: Tensor) -> list[Tensor]:
        """Return the gradients by weights and biases of Σ outputs · `upon` [M, T, K] over each
        task's points, of the pass that was `done`: parts [M, T, …] of [M, T, P], in order."""
        m, tasks, points = upon.shape
        delta = upon.reshape(len(done.inputs[0]), -1, 1)
        parts: list[Tensor] = []
        layers = zip(done.inputs, self.layers(particles.flatten(0, 1)), strict=True)
        for i, (h, (weight, _)) in reversed(list(enumerate(layers))):
            by_task = delta.reshape(m * tasks, points, -1)
            by_weight = h.reshape(m * tasks, points, -1).mT @ by_task
            both = by_weight.flatten(1), by_task.sum(1)
            parts = [part.view(m, tasks, -1) for part in both] + parts
            if i:
                delta = (delta @ weight.mT) * (h > 0)
        return parts
