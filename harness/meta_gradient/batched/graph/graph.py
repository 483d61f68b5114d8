"""Gradients and Hessian-vector products of a model that is a graph of rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from harness.meta_gradient.batched.rules.rule import Maybe, Rule, Second, Wanted
from harness.meta_gradient.problem import Params

INPUT = "the input"
"""Stands for the model's input among names of parameters (which have no spaces)."""


@dataclass(frozen=True)
class Node:
    """One layer: which values it reads and which parameters it has. Value 0 is the model's input,
    value i + 1 what node i gives."""

    rule: Rule
    inputs: tuple[int, ...]
    params: tuple[str, ...]


@dataclass
class Tape:
    """What a forward and a backward pass leave for a Hessian-vector product."""

    saved: list[Any]
    outputs: Tensor
    gradients: dict[int, Tensor]
    """By node, the derivative of the loss by what the node gives."""


class Graph:
    """Layers in order; the last one's value is the output."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        self.names = list(dict.fromkeys(name for node in nodes for name in node.params))

    def forward(self, x: Tensor, params: Params) -> Tape:
        """Return the outputs [T, S, …] for the inputs x, channels last."""
        left = self._readers()
        values: dict[int, Tensor] = {0: x}
        saved = []
        for i, node in enumerate(self.nodes):
            xs = [values[j] for j in node.inputs]
            values[i + 1], kept = node.rule.forward(xs, [params[p] for p in node.params])
            saved.append(kept)
            for j in node.inputs:
                left[j] -= 1
                if not left[j]:
                    values.pop(j, None)
        return Tape(saved, values[len(self.nodes)], {})

    def _readers(self) -> list[int]:
        left = [0] * (len(self.nodes) + 1)
        for node in self.nodes:
            for j in node.inputs:
                left[j] += 1
        return left

    def _reached(self, names: set[str]) -> list[bool]:
        """Return for each value whether it depends on one of the parameters (or the input)."""
        reached = [INPUT in names]
        for node in self.nodes:
            reached.append(any(reached[j] for j in node.inputs) or bool(names & set(node.params)))
        return reached

    def backward(
        self,
        tape: Tape,
        g: Tensor,
        params: Params,
        through: set[str],
        wanted: set[str],
        summed: set[str],
        keep: bool,
    ) -> Params:
        """Return the derivatives by the `wanted` parameters, from the loss's derivative `g` by the
        outputs, going back as far as there are parameters of `through`; with `INPUT` in `through`
        also that by the input.

        With `keep` the tape gets what `product` needs.
        """
        reached = self._reached(through)
        grads: dict[int, Tensor] = {len(self.nodes): g}
        by_params: Params = {}
        for i in reversed(range(len(self.nodes))):
            node = self.nodes[i]
            if not reached[i + 1] or i + 1 not in grads:
                continue
            g = grads.pop(i + 1)
            if keep and node.rule.bends:
                tape.gradients[i] = g
            asked = _asked(node, reached, wanted, summed)
            ps = [params[p] for p in node.params]
            gxs, gps = node.rule.backward(tape.saved[i], g, ps, asked)
            _collect(node, reached, grads, gxs, by_params, gps)
        return _with_input(by_params, grads)

    def parted(self, adapting: set[str]) -> tuple[Graph, Graph] | None:
        """Return the layers before the first that adapts, and the others as a graph of their own.

        The first part is as long as it can be with one value that the second reads. None where it
        has no parameters: then there is nothing to save.
        """
        reached = self._reached(adapting)[1:]
        if True not in reached:
            return None
        for end in range(reached.index(True), 0, -1):
            before, after = self.nodes[:end], self.nodes[end:]
            if all(j >= end for node in after for j in node.inputs):
                if not any(node.params for node in before):
                    return None
                moved = [Node(n.rule, tuple(j - end for j in n.inputs), n.params) for n in after]
                return Graph(before), Graph(moved)
        return None

    def tangent(
        self, tape: Tape, params: Params, direction: Params
    ) -> tuple[Tensor | None, list[Any]]:
        """Return the tangent of the outputs along `direction` (None: zero), and of what is
        saved."""
        values: dict[int, Tensor] = {}
        moved: list[Any] = []
        for i, node in enumerate(self.nodes):
            dxs: Maybe = [values.get(j) for j in node.inputs]
            dps: Maybe = [direction.get(p) for p in node.params]
            if all(d is None for d in [*dxs, *dps]):
                moved.append(None)
                continue
            ps = [params[p] for p in node.params]
            values[i + 1], dsaved = node.rule.tangent(tape.saved[i], dxs, ps, dps)
            moved.append((dsaved,))
        return values.get(len(self.nodes)), moved

    def product(
        self,
        tape: Tape,
        moved: list[Any],
        dg: Tensor,
        params: Params,
        direction: Params,
        wanted: set[str],
        summed: set[str],
    ) -> Params:
        """Return the tangents of the `wanted` parameters' derivatives (and, with `INPUT` among
        them, of the input's); `dg` is that of the loss's derivative by the outputs."""
        reached = self._reached(wanted)
        grads: dict[int, Tensor] = {len(self.nodes): dg}
        by_params: Params = {}
        for i in reversed(range(len(self.nodes))):
            node = self.nodes[i]
            if not reached[i + 1] or i + 1 not in grads:
                continue
            dg = grads.pop(i + 1)
            asked = _asked(node, reached, wanted, summed)
            ps = [params[p] for p in node.params]
            if moved[i] is None:
                dxs, dps = node.rule.backward(tape.saved[i], dg, ps, asked)
            else:
                dxs, dps = node.rule.backward_tangent(
                    Second(
                        saved=tape.saved[i],
                        dsaved=moved[i][0],
                        g=tape.gradients.get(i, dg),
                        dg=dg,
                        ps=ps,
                        dps=[direction.get(p) for p in node.params],
                        wanted=asked,
                    )
                )
            _collect(node, reached, grads, dxs, by_params, dps)
        return _with_input(by_params, grads)


def _with_input(by_params: Params, grads: dict[int, Tensor]) -> Params:
    """Add the derivative by the input, where there is one: all others were taken."""
    return by_params | {INPUT: grads[0]} if 0 in grads else by_params


def _asked(node: Node, reached: list[bool], wanted: set[str], summed: set[str]) -> Wanted:
    params, sums = [p in wanted for p in node.params], [p in summed for p in node.params]
    return Wanted(params, sums, any(reached[j] for j in node.inputs))


def _collect(
    node: Node,
    reached: list[bool],
    grads: dict[int, Tensor],
    gxs: Maybe,
    by_params: Params,
    gps: Maybe,
) -> None:
    """Add what a node gave to the gradients of its inputs and parameters."""
    for j, gx in zip(node.inputs, gxs, strict=False):
        if gx is not None and reached[j]:
            grads[j] = grads[j] + gx if j in grads else gx
    for name, gp in zip(node.params, gps, strict=True) if gps else ():
        if gp is not None:
            by_params[name] = by_params[name] + gp if name in by_params else gp
