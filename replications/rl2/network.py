"""The recurrent network of policy and value: a GRU with weight norm, and a dense layer on it.

Paper, appendix; weights start as in lucaslingle/pytorch_rl2. Weight norm (Salimans & Kingma 2016):
each row of a weight is a direction of length 1 times a learned length.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from replications.rl2.recurrence import recur


class NormedLinear(nn.Module):
    """x [..., I] → [..., O], with weight norm."""

    def __init__(self, start: Tensor, bias: bool) -> None:
        super().__init__()
        self.direction = nn.Parameter(start)
        self.length = nn.Parameter(start.norm(dim=1))
        self.bias = nn.Parameter(torch.zeros(len(start))) if bias else None

    def weight(self) -> Tensor:
        """Return the weight [O, I]."""
        weight: Tensor = self.direction * (self.length / self.direction.norm(dim=1)).unsqueeze(1)
        return weight


class RecurrentNet(nn.Module):
    """Inputs [n, T, I] → outputs [n, T, O] after each step; the state starts at 0.

    GRU: z, r = σ(…); candidate = relu(W x + r * (U h)); h = (1 - z) h + z candidate.
    """

    def __init__(self, inputs: int, units: int, outputs: int, generator: torch.Generator) -> None:
        super().__init__()
        self.units = units

        def glorot(rows: int, columns: int) -> Tensor:
            sd = (2 / (rows + columns)) ** 0.5
            return torch.empty(rows, columns).normal_(0, sd, generator=generator)

        def orthogonal() -> Tensor:
            return nn.init.orthogonal_(torch.empty(units, units), generator=generator)

        gates = torch.cat([glorot(units, inputs) for _ in range(3)])
        self.into = NormedLinear(gates, bias=True)
        self.over = NormedLinear(torch.cat([orthogonal() for _ in range(3)]), bias=False)
        self.out = NormedLinear(glorot(outputs, units), bias=True)

    def begin(self, tasks: int) -> Tensor:
        """Return the state of `tasks` trials before their first step, [T, units]."""
        return torch.zeros(
            tasks, self.units, device=self.out.length.device, dtype=self.out.length.dtype
        )

    def step(self, came_in: Tensor, state: Tensor, over: Tensor) -> Tensor:
        """Return the next state from the input's share [T, 3 units], the state and its weight."""
        x_update, x_reset, x_new = came_in.chunk(3, dim=-1)
        h_update, h_reset, h_new = F.linear(state, over).chunk(3, dim=-1)
        update, reset = (x_update + h_update).sigmoid(), (x_reset + h_reset).sigmoid()
        new = (x_new + reset * h_new).relu()
        return state + update * (new - state)

    def forward(self, inputs: Tensor) -> Tensor:
        """Run over whole trials."""
        return run_together([self], inputs)[0]


def run_together(nets: Sequence[RecurrentNet], inputs: Tensor) -> list[Tensor]:
    """Run networks of as many units side by side over the same inputs; return what each gives."""
    came_in = torch.stack([F.linear(inputs, n.into.weight(), n.into.bias) for n in nets])
    states = recur(came_in, torch.stack([n.over.weight() for n in nets]))
    return [
        F.linear(state, n.out.weight(), n.out.bias) for n, state in zip(nets, states, strict=True)
    ]
