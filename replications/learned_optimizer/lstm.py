"""The LSTM optimiser of Andrychowicz et al. 2016 (1606.04474), with its gradient written out.

One small LSTM proposes the update of every coordinate of a problem; weights are shared by all
coordinates, each of which has its own hidden state. So a *row* here is one coordinate of one
problem, and R rows are independent of each other.

Why not `torch.nn.LSTM`: step t's input is known only after step t - 1's update, so an unroll must
go step by step, and at these sizes (20 units) much of the time goes into starting operations and
recording them. The forward step below writes into buffers that are kept from unroll to unroll, and
the backward pass reads them.

Everything is feature-major, [features, rows]: the four gates are then contiguous blocks. Biases are
the first column of a weight matrix, against a row of ones in its input.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

State = list[tuple[Tensor, Tensor]]
"""Hidden and cell state (h, c) of each layer, each [units, R]."""


class CoordinatewiseLSTM:
    """LSTM layers and a linear output: one number in (a gradient), one number out (an update).

    `weights`: `lstm_<l>` [4 * units, 1 + inputs + units] with columns (bias, input, hidden) and row
    blocks (input gate, forget gate, output gate, candidate), and `linear` [1, 1 + units].
    """

    def __init__(self, layers: tuple[int, ...], generator: torch.Generator) -> None:
        """Draw weights as the authors' code has them (Sonnet's defaults): normal, cut at two
        standard deviations, sd 1/sqrt(inputs + units), LSTM biases too; linear bias 0; and the
        forget gate's constant 1 counted into its bias, which is the same function."""
        self.layers = layers
        self.weights: dict[str, Tensor] = {}
        inputs = 1
        for number, units in enumerate(layers, start=1):
            w = _truncated_normal((4 * units, 1 + inputs + units), inputs + units, generator)
            w[units : 2 * units, 0] += 1.0
            self.weights[f"lstm_{number}"] = w
            inputs = units
        w = _truncated_normal((1, 1 + inputs), inputs, generator)
        w[:, 0] = 0.0
        self.weights["linear"] = w

    def zero_state(self, rows: int) -> State:
        """Return the state at the start of a problem: zeros."""
        w = self.weights["linear"]
        return [(w.new_zeros(units, rows), w.new_zeros(units, rows)) for units in self.layers]


class _Cell(NamedTuple):
    """Views into an unroll's buffers for one layer at one step (making views costs time too)."""

    inputs: Tensor
    """(1, input, hidden state before the step), [1 + inputs + units, R]."""
    gates: Tensor
    """All four, [4 * units, R]; then each block of it, [units, R]."""
    input_gate: Tensor
    forget_gate: Tensor
    output_gate: Tensor
    candidate: Tensor
    before: Tensor
    """Cell state before the step, [units, R], and after it."""
    after: Tensor
    tanh_after: Tensor
    hidden: Tensor
    """Where the new hidden state goes: the input of the layer above at this step, [units, R]."""
    hidden_next: Tensor
    """And the input of this layer at the next step."""


class Unroll:
    """`steps` steps of a network on `rows` rows: forward one by one, then backward over all.

    Usage: `start(state)`; `update = step(t, gradient)` for t = 0 … steps-1; `state()` to carry on;
    `backward(d_updates)`. Buffers are kept, so one object serves any number of unrolls.
    """

    def __init__(self, network: CoordinatewiseLSTM, steps: int, rows: int) -> None:
        self.layers, self.steps, self.rows = network.layers, steps, rows
        self.matrices = list(network.weights.values())
        new = self.matrices[0].new_empty
        # inputs[l][t] as in `_Cell`; the last entry feeds `linear`. Slot `steps` of inputs and
        # cells holds the state after the last step.
        self.inputs = [new(steps + 1, w.shape[1], rows) for w in self.matrices]
        for a in self.inputs:
            a[:, 0] = 1.0
        gates = [new(steps, 4, n, rows) for n in self.layers]
        self.cells = [new(steps + 1, n, rows) for n in self.layers]
        tanh_cells = [new(steps, n, rows) for n in self.layers]
        self.views = [
            [
                _Cell(
                    self.inputs[i][t],
                    gates[i][t].view(4 * n, rows),
                    gates[i][t, 0],
                    gates[i][t, 1],
                    gates[i][t, 2],
                    gates[i][t, 3],
                    self.cells[i][t],
                    self.cells[i][t + 1],
                    tanh_cells[i][t],
                    hidden=self.inputs[i + 1][t, 1 : 1 + n],
                    hidden_next=self.inputs[i][t + 1, -n:],
                )
                for i, n in enumerate(self.layers)
            ]
            for t in range(steps)
        ]
        self.minus_one = self.matrices[0].new_tensor(-1.0)

    def start(self, state: State) -> None:
        """Set the state before step 0 (copied)."""
        for i, (h, c) in enumerate(state):
            self.inputs[i][0, -h.shape[0] :] = h
            self.cells[i][0] = c

    def state(self) -> State:
        """Return a copy of the state after the last step."""
        return [
            (self.inputs[i][self.steps, -n:].clone(), self.cells[i][self.steps].clone())
            for i, n in enumerate(self.layers)
        ]

    @torch.no_grad()
    def step(self, t: int, gradient: Tensor) -> Tensor:
        """Return the updates [R] for the gradients [R] at step t."""
        self.inputs[0][t, 1] = gradient
        for matrix, v in zip(self.matrices, self.views[t], strict=False):
            # tanh(z) = 2 sigmoid(2 z) - 1: torch's sigmoid is five times faster than its tanh.
            torch.mm(matrix, v.inputs, out=v.gates)
            v.candidate.mul_(2.0)
            v.gates.sigmoid_()
            torch.add(self.minus_one, v.candidate, alpha=2.0, out=v.candidate)
            torch.mul(v.forget_gate, v.before, out=v.after)
            v.after.addcmul_(v.input_gate, v.candidate)
            torch.mul(v.after, 2.0, out=v.tanh_after).sigmoid_()
            torch.add(self.minus_one, v.tanh_after, alpha=2.0, out=v.tanh_after)
            torch.mul(v.output_gate, v.tanh_after, out=v.hidden)
            v.hidden_next.copy_(v.hidden)
        return torch.mm(self.matrices[-1], self.inputs[-1][t])[0]

    @torch.no_grad()
    def backward(self, d_updates: Tensor) -> list[Tensor]:
        """Return the gradient of sum(d_updates * updates) for each matrix of `network.weights`,
        with the input gradients and the starting state held constant. `d_updates`: [steps, R]."""
        new, rows = self.matrices[0].new_zeros, self.rows
        # Matrix gradients are summed up transposed: that product is a quarter faster here. And with
        # `out=`, not in place: torch's operation counter does not see `addmm_`.
        d_matrices = [new(w.shape[::-1]) for w in self.matrices]
        d_inputs = [new(w.shape[1], rows) for w in self.matrices]
        d_above = [d[1 : 1 + n] for d, n in zip(d_inputs[1:], self.layers, strict=True)]
        d_later = [d[-n:] for d, n in zip(d_inputs, self.layers, strict=False)]
        d_cells = [new(n, rows) for n in self.layers]
        d_gates = [new(4, n, rows) for n in self.layers]
        d_blocks = [d.unbind() for d in d_gates]
        scratch = [new(n, rows) for n in self.layers]
        sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
        tanh_backward = torch.ops.aten.tanh_backward.grad_input
        for t in reversed(range(self.steps)):
            d_update = d_updates[t : t + 1]
            torch.addmm(d_matrices[-1], self.inputs[-1][t], d_update.T, out=d_matrices[-1])
            torch.mm(self.matrices[-1].T, d_update, out=d_inputs[-1])
            for i in reversed(range(len(self.layers))):
                v, d_cell, tmp = self.views[t][i], d_cells[i], scratch[i]
                d_input_gate, d_forget_gate, d_output_gate, d_candidate = d_blocks[i]
                # The hidden state went into the layer above now and into this layer one step later.
                d_hidden = d_above[i].add_(d_later[i])
                torch.mul(d_hidden, v.output_gate, out=tmp)
                d_cell.add_(tanh_backward(tmp, v.tanh_after, grad_input=tmp))
                torch.mul(d_cell, v.candidate, out=d_input_gate)
                torch.mul(d_cell, v.before, out=d_forget_gate)
                torch.mul(d_hidden, v.tanh_after, out=d_output_gate)
                torch.mul(d_cell, v.input_gate, out=d_candidate)
                d_cell.mul_(v.forget_gate)
                # Through the squashing: sigmoid for three blocks, tanh for the candidate.
                tanh_backward(d_candidate, v.candidate, grad_input=d_candidate)
                d_sigmoid, gates = d_gates[i][:3], v.gates.view(4, -1, rows)[:3]
                sigmoid_backward(d_sigmoid, gates, grad_input=d_sigmoid)
                d_gate = d_gates[i].view(-1, rows)
                torch.addmm(d_matrices[i], v.inputs, d_gate.T, out=d_matrices[i])
                torch.mm(self.matrices[i].T, d_gate, out=d_inputs[i])
        return [d.T for d in d_matrices]


def _truncated_normal(shape: tuple[int, int], fan_in: int, generator: torch.Generator) -> Tensor:
    sd = 1.0 / math.sqrt(fan_in)
    w = torch.empty(shape)
    return torch.nn.init.trunc_normal_(w, 0.0, sd, -2.0 * sd, 2.0 * sd, generator=generator)
