"""The network of a Neural Turing Machine with one read and one write head (Graves et al. 2014, 3).

The loop over the steps of a sequence is the whole cost, and each step is made of small operations:
what can be computed for both heads, or for all steps, at once is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.ranges import Range
from harness.switch_types import Width
from replications.ntm.memory import parts, rotations, step


@dataclass(frozen=True)
class MachineSettings:
    """Switches of the network."""

    controller: Literal["lstm", "feedforward"]
    """One layer: an LSTM, or tanh units without a state of their own."""
    units: Width
    """Of the controller."""
    locations: Width
    """Rows of the memory."""
    width: Width
    """Numbers in a row."""
    reach: Annotated[int, Range(0, 1024)]
    """Heads may move by -reach … reach locations in a step."""
    learned_start: bool
    """Learn the first memory and the first read vector; else they stay as drawn."""


class TuringMachine(nn.Module):
    """Controller, memory with one read and one write head, and a linear read-out.

    Weights are drawn as in pytorch-ntm, but for those of the heads, which are drawn as one matrix;
    it has a second bias a gate too (README, departure 10), and no feedforward controller: that
    one's are Glorot uniform. One product gives all that both heads are told.
    """

    turned: Tensor

    def __init__(
        self, s: MachineSettings, inputs: int, outputs: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.s = s
        gates = 4 * s.units if s.controller == "lstm" else s.units
        state = s.units if s.controller == "lstm" else 0
        shifts = 2 * s.reach + 1
        told = sum(parts(s.width, shifts))

        def uniform(bound: float, *shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(shape).uniform_(-bound, bound, generator=generator))

        def normal(sd: float, *shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(shape).normal_(0.0, sd, generator=generator))

        def glorot(gain: float, rows: int, columns: int) -> nn.Parameter:
            return uniform(gain * math.sqrt(6 / (rows + columns)), rows, columns)

        entering = inputs + s.width
        if s.controller == "lstm":
            bound = 5 / math.sqrt(entering + s.units)
            self.input = uniform(bound, gates, inputs)
            self.carried = uniform(bound, gates, s.width + state)
            self.hidden = normal(0.05, s.units)
            self.cell = normal(0.05, s.units)
        else:
            weights = glorot(1.0, gates, entering)
            self.input = nn.Parameter(weights.data[:, :inputs].clone())
            self.carried = nn.Parameter(weights.data[:, inputs:].clone())
        self.input_bias = nn.Parameter(torch.zeros(gates))
        self.heads = glorot(1.4, told, s.units)
        self.heads_bias = normal(0.01, told)
        self.output = glorot(1.0, outputs, s.units + s.width)
        self.output_bias = normal(0.01, outputs)
        self.register_buffer("turned", rotations(s.locations, shifts), persistent=False)
        self.memory = uniform(1 / math.sqrt(s.locations + s.width), s.locations, s.width)
        self.first_read = normal(0.01, s.width)
        self.memory.requires_grad_(s.learned_start)
        self.first_read.requires_grad_(s.learned_start)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits [T, S, outputs] after each step of T sequences x [T, S, inputs], from
        the state in which every sequence starts."""
        s, t = self.s, len(x)
        # The part of the controller that knows no state, for all steps at once.
        inputs = F.linear(x, self.input, self.input_bias).unbind(1)
        carried = self.carried.T
        memory = self.memory.expand(t, -1, -1)
        read = self.first_read.expand(t, -1)
        weighting = memory.new_zeros(t, 2, s.locations)
        if s.controller == "lstm":
            hidden, cell = self.hidden.expand(t, -1), self.cell.expand(t, -1)
        given = []
        for total in inputs:
            if s.controller == "lstm":
                total = torch.addmm(total, torch.cat([read, hidden], 1), carried)
                enter, forget, leave = total[:, : 3 * s.units].sigmoid().chunk(3, 1)
                cell = torch.addcmul(forget * cell, enter, total[:, 3 * s.units :].tanh())
                hidden = leave * cell.tanh()
            else:
                hidden = torch.addmm(total, read, carried).tanh()
            told = F.linear(hidden, self.heads, self.heads_bias)
            looked, weighting, memory = step(memory, weighting, told, self.turned)
            read = looked.squeeze(1)
            given.append(torch.cat([hidden, read], 1))
        return F.linear(torch.stack(given, 1), self.output, self.output_bias)
