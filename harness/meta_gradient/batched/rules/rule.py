"""What a layer must know for gradients and Hessian-vector products over many tasks at once.

Activations have a task axis first and channels last: images [T, S, H, W, C], features [T, S, F].
A parameter is either shared by the tasks (no task axis) or one per task (leading axis T). A tangent
is the derivative of a value along one direction of the parameters (Pearlmutter 1994); None stands
for zero, which saves the work on layers that do not adapt.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any

from torch import Tensor

Tensors = list[Tensor]
Maybe = list[Tensor | None]


@dataclass(frozen=True)
class Wanted:
    """Which derivatives a layer is asked for."""

    params: list[bool]
    """By parameter: whether at all,"""
    summed: list[bool]
    """and whether summed over tasks, or else one per task [T, …]."""
    inputs: bool
    """Whether those by the inputs."""


@dataclass(frozen=True)
class Second:
    """What second derivatives of a layer need: its two passes, and the tangents of all of it."""

    saved: Any
    """What `forward` kept."""
    dsaved: Any
    """What `tangent` kept."""
    g: Tensor
    dg: Tensor
    ps: Tensors
    dps: Maybe
    wanted: Wanted


class Rule(abc.ABC):
    """One layer: y from inputs `xs` and parameters `ps`, and the derivatives of that.

    `saved` is what `forward` keeps for the others. `g` is the derivative of the loss by y. Memory
    that others overwrite must not be kept: a rule owns what it returns only until the next layer.
    """

    keeps_output = False
    """Whether `saved` holds y itself, so that the next layer must not overwrite it."""
    bends = True
    """Whether the layer's second derivatives are not all zero, so that they need `g`."""
    gives_new = True
    """Whether y is memory of its own, not a view of an input."""

    @abc.abstractmethod
    def forward(self, xs: Tensors, ps: Tensors) -> tuple[Tensor, Any]:
        """Return y and what the derivatives need."""

    @abc.abstractmethod
    def backward(self, saved: Any, g: Tensor, ps: Tensors, wanted: Wanted) -> tuple[Maybe, Maybe]:
        """Return the loss's derivatives by inputs and by parameters, those that are wanted."""

    @abc.abstractmethod
    def tangent(self, saved: Any, dxs: Maybe, ps: Tensors, dps: Maybe) -> tuple[Tensor, Any]:
        """Return y's tangent (some of `dxs`, `dps` is not None) and what `backward_tangent`
        needs."""

    @abc.abstractmethod
    def backward_tangent(self, at: Second) -> tuple[Maybe, Maybe]:
        """Return the tangents of what `backward` gives, where y has a tangent.

        Where y has none, `backward` itself, applied to `dg`, gives them.
        """


class Straight(Rule):
    """A layer without second derivatives: what takes gradients back takes their tangents back."""

    bends = False

    def backward_tangent(self, at: Second) -> tuple[Maybe, Maybe]:
        """Return what `backward` gives for the tangent."""
        return self.backward(at.saved, at.dg, at.ps, at.wanted)


class LinearMap(Straight):
    """A layer without parameters that is linear where it stands (its kinks stay where they are)."""

    @abc.abstractmethod
    def push(self, saved: Any, dxs: Maybe) -> Tensor:
        """Apply the map to tangents of the inputs."""

    @abc.abstractmethod
    def pull(self, saved: Any, g: Tensor) -> Tensors:
        """Apply the transposed map; may overwrite `g`."""

    def backward(self, saved: Any, g: Tensor, ps: Tensors, wanted: Wanted) -> tuple[Maybe, Maybe]:
        """Pull the derivative back."""
        return (list(self.pull(saved, g)) if wanted.inputs else []), []

    def tangent(self, saved: Any, dxs: Maybe, ps: Tensors, dps: Maybe) -> tuple[Tensor, Any]:
        """Push the tangent forward."""
        return self.push(saved, dxs), None
