"""Reads a model as a graph of rules, from the operations torch runs for one task.

`make_fx` runs the model once on zeros and writes down every operation, so that it does not matter
how the model is written. What has no rule raises `NoRule`; the engine then takes the general path.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.proxy_tensor import make_fx

from harness.meta_gradient.batched.graph.graph import Graph, Node
from harness.meta_gradient.batched.rules.batch_norm import BatchNorm
from harness.meta_gradient.batched.rules.convolution import Convolution
from harness.meta_gradient.batched.rules.geometry import Geometry
from harness.meta_gradient.batched.rules.maps import (
    Flatten,
    MaxPool,
    Pad,
    Relu,
    Same,
    SpatialMean,
    Sum,
)
from harness.meta_gradient.batched.rules.offset import Offset
from harness.meta_gradient.batched.rules.products import Linear

aten = torch.ops.aten


class NoRule(Exception):
    """The model has an operation without a rule."""


def trace(model: nn.Module, x: Tensor) -> Graph:
    """Return the graph of `model` for one task's inputs like `x` [S, …] (values do not matter)."""
    names = [n for n, _ in model.named_parameters()]
    shapes = [torch.zeros(p.shape, dtype=p.dtype) for p in model.parameters()]
    example = torch.zeros(x.shape, dtype=x.dtype)

    def run(params: list[Tensor], x: Tensor) -> Tensor:
        outputs: Tensor = torch.func.functional_call(
            model, dict(zip(names, params, strict=True)), (x,)
        )
        return outputs

    with torch.no_grad():
        try:
            traced = make_fx(run)(shapes, example)
        except (RuntimeError, TypeError, ValueError) as error:
            raise NoRule(f"the model cannot be traced ({type(error).__name__})") from None
    return _Reader(names, x.dim()).read(traced.graph)


class _Reader:
    """Turns operations into nodes, one after the other."""

    def __init__(self, names: list[str], dims: int) -> None:
        self.names, self.dims = names, dims
        self.nodes: list[Node] = []
        self.values: dict[fx.Node, int] = {}
        """Which value an operation gives."""
        self.params: dict[fx.Node, str] = {}
        """Which parameter an operation gives, and below, how it was turned."""
        self.turned: dict[fx.Node, bool] = {}

    def read(self, graph: fx.Graph) -> Graph:
        inputs = [n for n in graph.nodes if n.op == "placeholder"]
        for node, name in zip(inputs, self.names, strict=False):
            self.params[node], self.turned[node] = name, False
        self.values[inputs[-1]] = 0
        for node in graph.nodes:
            if node.op == "output":
                if self.values.get(_only(node.args[0])) != len(self.nodes):
                    raise NoRule("the output is not what the last layer gives")
            elif node.op == "call_function":
                self._operation(node)
            elif node.op != "placeholder":
                raise NoRule(f"{node.op} {node.target}")
        return Graph(self.nodes)

    def _add(self, node: fx.Node, rule: Any, inputs: list[Any], params: list[Any]) -> None:
        for value in inputs:
            if value not in self.values:
                raise NoRule(f"{node.target} of something else than an activation")
        for p in params:
            if p not in self.params:
                raise NoRule(f"{node.target} with something else than a parameter")
        names = tuple(self.params[p] for p in params)
        self.nodes.append(Node(rule, tuple(self.values[v] for v in inputs), names))
        self.values[node] = len(self.nodes)

    def _operation(self, node: fx.Node) -> None:
        read = _READ.get(node.target)
        if read is None:
            raise NoRule(str(node.target))
        read(self, node, *node.args)

    def _is_image(self, node: fx.Node) -> bool:
        return len(node.meta["val"].shape) == 4

    # Each of these reads one operation: its arguments are those of the aten function.

    def convolution(self, node: fx.Node, x: Any, w: Any, b: Any, *rest: Any) -> None:
        stride, padding, dilation, transposed, _, groups = rest
        if list(dilation) != [1, 1] or transposed or groups != 1 or len(stride) != 2:
            raise NoRule("a convolution that is dilated, transposed, grouped or not over images")
        h, w_ = padding
        sides = (w_, w_, h, h)
        kernel = tuple(w.meta["val"].shape[2:])
        # A batch norm as the only reader takes any offset away.
        inert = [u.target in _NORMS for u in node.users] == [True]
        rule = Convolution(Geometry(kernel, tuple(stride), sides), b is not None, inert)
        self._add(node, rule, [x], [w] if b is None else [w, b])

    def batch_norm(self, node: fx.Node, x: Any, *rest: Any) -> None:
        if node.target is aten.native_batch_norm.default:
            scale, offset, mean, var, training, _, eps = rest
            if mean is not None or var is not None or not training:
                raise NoRule("a batch norm by running statistics")
        else:
            scale, offset, _, _, eps = rest
        rule = BatchNorm(eps, scale is not None, offset is not None)
        self._add(node, rule, [x], [p for p in (scale, offset) if p is not None])

    def get_item(self, node: fx.Node, of: Any, index: int) -> None:
        if index == 0 and of in self.values:
            self.values[node] = self.values[of]
        elif node.users:
            raise NoRule(f"a second result of {of.target}")

    def add(self, node: fx.Node, a: Any, b: Any, *rest: Any) -> None:
        if a in self.values and b in self.values:
            if a.meta["val"].shape != b.meta["val"].shape:
                raise NoRule("a sum of different shapes")
            self._add(node, Sum(), [a, b], [])
        elif b in self.params and not self.turned[b]:
            self._add(node, Offset(), [a], [b])
        else:
            raise NoRule("a sum with something else than a channel's offset")

    def view(self, node: fx.Node, x: Any, *_: Any) -> None:
        shape, old = node.meta["val"].shape, x.meta["val"].shape
        if x in self.params:
            # [C] seen as [C, 1, 1]: an offset of channels.
            if len(old) != 1 or shape[0] != old[0]:
                raise NoRule("a parameter in another shape")
            self.params[node], self.turned[node] = self.params[x], False
        elif len(shape) == 2 and shape[0] == old[0]:
            self._add(node, Flatten(), [x], [])
        elif shape == old:
            self._add(node, Same(), [x], [])
        else:
            raise NoRule("a view that is not a flattening")

    def transpose(self, node: fx.Node, x: Any) -> None:
        if x not in self.params:
            raise NoRule("a transposed activation")
        self.params[node], self.turned[node] = self.params[x], not self.turned[x]

    def linear(self, node: fx.Node, b: Any, x: Any, w: Any) -> None:
        if not self.turned.get(w, False) or len(x.meta["val"].shape) != 2:
            raise NoRule("a product that is not a linear layer")
        self._add(node, Linear(), [x], [w] if b is None else [w, b])

    def product(self, node: fx.Node, x: Any, w: Any) -> None:
        self.linear(node, None, x, w)

    def relu(self, node: fx.Node, x: Any) -> None:
        self._add(node, Relu(), [x], [])

    def leaky_relu(self, node: fx.Node, x: Any, slope: float = 0.01) -> None:
        self._add(node, Relu(slope), [x], [])

    def max_pool(self, node: fx.Node, x: Any, size: Any, stride: Any = (), *rest: Any) -> None:
        square = len(set(size)) == 1 and list(stride or size) == list(size)
        plain: list[Any] = [[0, 0], [1, 1], False]  # padding, dilation, rounding up
        given = [list(r) if isinstance(r, (list, tuple)) else r for r in rest]
        if not square or given != plain[: len(given)]:
            raise NoRule("a max pool whose windows overlap or are padded")
        self._add(node, MaxPool(size[0]), [x], [])

    def mean(self, node: fx.Node, x: Any, axes: Any = (), keep: bool = False, **_: Any) -> None:
        if not self._is_image(x) or {a % 4 for a in axes} != {2, 3}:
            raise NoRule("a mean over something else than space")
        self._add(node, SpatialMean(keep), [x], [])

    def pad(self, node: fx.Node, x: Any, sides: Any, value: float = 0.0) -> None:
        if value != 0 or len(sides) != 4 or not self._is_image(x):
            raise NoRule("a padding that is not with zeros around images")
        self._add(node, Pad(tuple(sides)), [x], [])

    def same(self, node: fx.Node, x: Any, *_: Any, **__: Any) -> None:
        if x in self.params:
            self.params[node], self.turned[node] = self.params[x], self.turned[x]
        else:
            self.values[node] = self.values[x]

    def nothing(self, node: fx.Node, *_: Any) -> None:
        """An empty tensor that no one reads (torch makes one beside a batch norm)."""
        if node.users:
            raise NoRule(str(node.target))


def _only(result: Any) -> fx.Node:
    node: fx.Node = result[0] if isinstance(result, (list, tuple)) else result
    return node


_NORMS = {aten.native_batch_norm.default, aten._native_batch_norm_legit.no_stats}
_READ: dict[Any, Any] = {
    aten.convolution.default: _Reader.convolution,
    aten.native_batch_norm.default: _Reader.batch_norm,
    aten._native_batch_norm_legit.no_stats: _Reader.batch_norm,
    operator.getitem: _Reader.get_item,
    aten.add.Tensor: _Reader.add,
    aten.view.default: _Reader.view,
    aten._unsafe_view.default: _Reader.view,
    aten.t.default: _Reader.transpose,
    aten.addmm.default: _Reader.linear,
    aten.mm.default: _Reader.product,
    aten.relu.default: _Reader.relu,
    aten.leaky_relu.default: _Reader.leaky_relu,
    aten.max_pool2d_with_indices.default: _Reader.max_pool,
    aten.mean.dim: _Reader.mean,
    aten.constant_pad_nd.default: _Reader.pad,
    aten.clone.default: _Reader.same,
    aten.detach.default: _Reader.same,
    aten.alias.default: _Reader.same,
    aten.empty.memory_format: _Reader.nothing,
}
