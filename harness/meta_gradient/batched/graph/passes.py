"""The two ways to the derivatives of one chunk of tasks: by rules, or by `torch.func`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.func import grad, grad_and_value, vmap

from harness.meta_gradient.batched.graph.graph import INPUT, Graph, Tape
from harness.meta_gradient.batched.rules.convolution import Convolution
from harness.meta_gradient.batched.rules.geometry import pack_kernel, unpack_kernel
from harness.meta_gradient.losses import loss_rule
from harness.meta_gradient.problem import Params, Problem

SUPPORT_INPUT, QUERY_INPUT = "the support input", "the query input"
"""Under these names come derivatives by inputs, one per task, among those by `fixed`."""


@dataclass(frozen=True)
class Seen:
    """One set of the tasks, and the parameters that the model has for it."""

    x: Tensor
    y: Tensor
    adapting: Params
    """Shared by the tasks or one for each."""
    fixed: Params
    """Shared."""

    @property
    def params(self) -> Params:
        """All parameters."""
        return self.adapting | self.fixed


class Passes(Protocol):
    """What the recursion needs.

    Gradients by `adapting` are per task unless `summed`; those by `fixed` are summed over tasks.
    """

    def packed(self, params: Params) -> Params:
        """Return parameters (or rates) in the shapes computed with; extra leading axes stay."""

    def unpacked(self, params: Params) -> Params:
        """Undo `packed`."""

    def input(self, x: Tensor) -> Tensor:
        """Return inputs [T, S, …] in the order computed with."""

    def support(self, seen: Seen, gradients: bool, keep: bool) -> tuple[Params, Any]:
        """Return the support losses' derivatives by `adapting` (if `gradients`) and, with `keep`,
        what `product` would have to compute again."""

    def query(self, seen: Seen, summed: bool) -> tuple[Tensor, Params, Params]:
        """Return the query losses [T] and their derivatives by `adapting` and by `fixed`."""

    def product(
        self, seen: Seen, kept: Any, direction: Params, summed: bool
    ) -> tuple[Params, Params]:
        """Return the derivatives of (gradient by `adapting`) · direction by `adapting` and `fixed`:
        the Hessian-vector product and its mixed part."""


class RulePasses:
    """By the written-out rules of a model's layers. With `by_input`, what comes before this graph
    is differentiated too: `query` and `product` then also give the derivatives by their inputs."""

    def __init__(
        self,
        problem: Problem,
        graph: Graph,
        shapes: dict[str, torch.Size],
        by_input: bool = False,
    ) -> None:
        self.problem, self.graph, self.shapes = problem, graph, shapes
        self.also = {INPUT} if by_input else set()
        self.support_loss = loss_rule(problem.support_loss)
        self.query_loss = loss_rule(problem.query_loss)
        self.kernels = {
            node.params[0] for node in graph.nodes if isinstance(node.rule, Convolution)
        }

    def packed(self, params: Params) -> Params:
        """Turn kernels into matrices."""
        return {k: pack_kernel(v) if k in self.kernels else v for k, v in params.items()}

    def unpacked(self, params: Params) -> Params:
        """Turn matrices into kernels."""
        return {
            k: unpack_kernel(v, self.shapes[k]) if k in self.kernels else v
            for k, v in params.items()
        }

    def input(self, x: Tensor) -> Tensor:
        """Put channels last."""
        return x.movedim(2, -1).contiguous() if x.dim() == 5 else x

    def support(self, seen: Seen, gradients: bool, keep: bool) -> tuple[Params, Any]:
        """One forward and one backward pass."""
        params = seen.params
        tape = self.graph.forward(seen.x, params)
        _, g = self.support_loss.gradient(tape.outputs, seen.y)
        names = set(seen.adapting)
        wanted = names if gradients else set()
        by_adapting = self.graph.backward(tape, g, params, names, wanted, set(), keep)
        return by_adapting, tape if keep else None

    def query(self, seen: Seen, summed: bool) -> tuple[Tensor, Params, Params]:
        """One forward and one backward pass."""
        params = seen.params
        tape = self.graph.forward(seen.x, params)
        n = seen.y.shape[1]
        losses, g = self.query_loss.gradient(tape.outputs[:, -n:], seen.y)
        if tape.outputs.shape[1] > n:  # the support set stood in the same batch, without a loss
            g = torch.cat([torch.zeros_like(tape.outputs[:, :-n]), g], 1)
        sums = set(params) if summed else set(seen.fixed)
        names = set(params) | self.also
        derivatives = self.graph.backward(tape, g, params, names, names, sums, False)
        return losses, *_parted(derivatives, seen, QUERY_INPUT)

    def product(
        self, seen: Seen, kept: Tape | None, direction: Params, summed: bool
    ) -> tuple[Params, Params]:
        """Tangents forward, then their derivatives backward (Pearlmutter 1994)."""
        tape = kept or self.support(seen, False, True)[1]
        params = seen.params
        douts, moved = self.graph.tangent(tape, params, direction)
        if douts is None:
            return {}, {}
        dg = self.support_loss.product(tape.outputs, seen.y, douts)
        sums = set(params) if summed else set(seen.fixed)
        names = set(params) | self.also
        derivatives = self.graph.product(tape, moved, dg, params, direction, names, sums)
        return _parted(derivatives, seen, SUPPORT_INPUT)


class GeneralPasses:
    """By `torch.func`, for any model."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def packed(self, params: Params) -> Params:
        """Nothing to turn."""
        return params

    unpacked = packed

    def input(self, x: Tensor) -> Tensor:
        """Nothing to turn."""
        return x

    def support(self, seen: Seen, gradients: bool, keep: bool) -> tuple[Params, Any]:
        """Map the gradient over the tasks; nothing is kept."""
        if not gradients:
            return {}, None
        gradient = grad(lambda p, x, y: self.problem.on_support(p | seen.fixed, x, y))
        axes = (self._axes(seen.adapting), 0, 0)
        by_adapting: Params = vmap(gradient, axes)(seen.adapting, seen.x, seen.y)
        return by_adapting, None

    def _axes(self, adapting: Params) -> dict[str, int | None]:
        shapes = {k: p.dim() for k, p in self.problem.model.named_parameters()}
        return {k: 0 if v.dim() > shapes[k] else None for k, v in adapting.items()}

    def query(self, seen: Seen, summed: bool) -> tuple[Tensor, Params, Params]:
        """Map the gradient over the tasks."""
        gradient = grad_and_value(
            lambda p, f, x, y: self.problem.on_query(p | f, x, y), argnums=(0, 1)
        )
        axes = (self._axes(seen.adapting), dict.fromkeys(seen.fixed), 0, 0)
        each = vmap(gradient, axes)(seen.adapting, seen.fixed, seen.x, seen.y)
        (mine, theirs), losses = each
        return losses, _summed(mine) if summed else mine, _summed(theirs)

    def product(
        self, seen: Seen, kept: Any, direction: Params, summed: bool
    ) -> tuple[Params, Params]:
        """The gradient of (gradient · direction), task by task under `vmap`."""

        def along(p: Params, f: Params, u: Params, x: Tensor, y: Tensor) -> Tensor:
            gradients = grad(lambda p: self.problem.on_support(p | f, x, y))(p)
            return torch.stack([(gradients[k] * u[k]).sum() for k in u]).sum()

        adapting, fixed = seen.adapting, seen.fixed
        axes = (self._axes(adapting), dict.fromkeys(fixed), dict.fromkeys(direction, 0), 0, 0)
        both = vmap(grad(along, argnums=(0, 1)), axes)
        mine, theirs = both(adapting, fixed, direction, seen.x, seen.y)
        return _summed(mine) if summed else mine, _summed(theirs)


def _parted(derivatives: Params, seen: Seen, of_input: str) -> tuple[Params, Params]:
    groups = (seen.adapting, seen.fixed)
    mine, theirs = ({k: derivatives[k] for k in own if k in derivatives} for own in groups)
    return mine, theirs | ({of_input: derivatives[INPUT]} if INPUT in derivatives else {})


def _summed(grads: Params) -> Params:
    return {k: g.sum(0) for k, g in grads.items()}
