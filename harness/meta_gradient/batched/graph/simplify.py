"""Rewrites a graph of rules into one that does the same with fewer passes over memory."""

from __future__ import annotations

from harness.meta_gradient.batched.graph.graph import Graph, Node
from harness.meta_gradient.batched.rules.batch_norm import BatchNorm
from harness.meta_gradient.batched.rules.convolution import Convolution
from harness.meta_gradient.batched.rules.maps import MaxPool, Pad, Relu, Same
from harness.meta_gradient.batched.rules.offset import Offset
from harness.meta_gradient.batched.rules.rule import Rule


def simplified(graph: Graph) -> Graph:
    """Join layers that have no other reader, until nothing changes; then let ReLU overwrite."""
    nodes = graph.nodes
    while (joined := _joined(nodes)) is not None:
        nodes = joined
    return Graph([_overwriting(nodes, i) for i in range(len(nodes))])


def _joined(nodes: list[Node]) -> list[Node] | None:
    """Join the first pair that can be joined, or return None."""
    for i, node in enumerate(nodes):
        readers = [j for j, other in enumerate(nodes) if i + 1 in other.inputs]
        if len(readers) != 1 or nodes[readers[0]].inputs != (i + 1,):
            continue
        j = readers[0]
        joined = _pair(node, nodes[j])
        if joined is None:
            continue
        if isinstance(joined, Node):
            # The joined node gives the value of the second; everything after i moves up by one.
            kept = [*nodes[:i], *nodes[i + 1 : j], joined, *nodes[j + 1 :]]
            return [_renumbered(n, i) if k >= i else n for k, n in enumerate(kept)]
        return [*nodes[:i], joined[0], *nodes[i + 1 : j], joined[1], *nodes[j + 1 :]]
    return None


def _pair(a: Node, b: Node) -> Node | tuple[Node, Node] | None:
    """Return one node for two in a row, or two in the other order, or None: take away what does
    nothing, and pad, shift and pool where it costs least."""
    first, second = a.rule, b.rule
    if isinstance(first, Same) or isinstance(second, Same):
        rule, names = (second, b.params) if isinstance(first, Same) else (first, a.params)
        return Node(rule, a.inputs, names)
    if isinstance(first, Pad) and isinstance(second, Convolution) and min(first.sides) >= 0:
        return Node(second.padded(first.sides), a.inputs, b.params)
    if isinstance(first, BatchNorm) and isinstance(second, Offset) and not first.offset:
        return Node(BatchNorm(first.eps, first.scale, True), a.inputs, a.params + b.params)
    if isinstance(first, Relu) and isinstance(second, MaxPool):
        # They commute; pooled first, ReLU has less to do.
        return Node(second, a.inputs, ()), Node(first, b.inputs, ())
    return None


def _renumbered(node: Node, gone: int) -> Node:
    """Return a node that reads the values of a list in which node `gone` is no more."""
    moved = tuple(v - 1 if v > gone + 1 else v for v in node.inputs)
    return Node(node.rule, moved, node.params)


def _overwriting(nodes: list[Node], i: int) -> Node:
    """Let a ReLU write over its input where no one else reads or keeps that."""
    node = nodes[i]
    if not isinstance(node.rule, Relu) or node.inputs == (0,):
        return node
    (value,) = node.inputs
    alone = sum(value in other.inputs for other in nodes) == 1
    giver: Rule = nodes[value - 1].rule
    if alone and giver.gives_new and not giver.keeps_output:
        return Node(Relu(node.rule.slope, in_place=True), node.inputs, node.params)
    return node
