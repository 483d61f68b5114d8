"""Runs many programs at once: each on its own inputs, or all of a signature on one task's."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from replications.deepcoder.language import OPERATIONS, Values, apply
from replications.deepcoder.programs import INPUTS, LONGEST, NONE, Programs, Tree


@dataclass(frozen=True)
class Registers:
    """What N programs hold: `data` [6, L, N] and `length` [6, N], both int32."""

    data: Tensor
    length: Tensor

    def of(self, registers: Tensor, programs: Tensor) -> Values:
        """Return register `registers` [K] of the programs with the numbers `programs` [K]."""
        data = self.data.permute(0, 2, 1)[registers, programs]
        return Values(data.T, self.length[registers, programs])

    def put(self, register: int, programs: Tensor, values: Values) -> None:
        """Write values into one register of the programs with the numbers `programs`."""
        rows = len(values.data)
        self.data[register, :rows, programs] = values.data
        self.length[register, programs] = values.length


def run(programs: Programs, data: Tensor, length: Tensor) -> Values:
    """Run N programs, each on its own inputs: `data` [3, L, N] and `length` [3, N] (int32).

    Return what their last statements give. No loop runs over programs, one does over operations.
    """
    device, count = data.device, data.shape[2]
    held = Registers(
        torch.cat([data, data.new_zeros(LONGEST, *data.shape[1:])]),
        torch.cat([length, length.new_zeros(LONGEST, count)]),
    )
    operations = torch.from_numpy(programs.operations).to(device)
    arguments = torch.from_numpy(programs.arguments).to(device).long()
    for t in range(LONGEST):
        for number, operation in enumerate(OPERATIONS):
            which = (operations[:, t] == number).nonzero()[:, 0]
            if len(which):
                takes = range(len(operation.takes))
                given = [held.of(arguments[which, t, k], which) for k in takes]
                held.put(INPUTS + t, which, apply(operation, *given))
    last = INPUTS - 1 + (operations != NONE).sum(1)
    return held.of(last, torch.arange(count, device=device))


@dataclass(frozen=True)
class Bank:
    """Numbered values of a tree (`programs.py`) on M examples: `data` [L, M, V], `length`
    [M, V]."""

    data: Tensor
    length: Tensor

    def of(self, values: Tensor, example: int | None = None) -> Values:
        """Return values `values` [K] on one example, as K columns, or on all, as M x K."""
        if example is not None:
            data = self.data[:, example].index_select(1, values)
            return Values(data, self.length[example].index_select(0, values))
        data = self.data.index_select(2, values).flatten(1)
        return Values(data, self.length.index_select(1, values).flatten())


class Run:
    """A tree on one device, ready to be run."""

    def __init__(self, tree: Tree, device: torch.device) -> None:
        self.tree, self.device = tree, device
        self.values = [torch.from_numpy(v).to(device) for v in tree.values]
        last = [p.operations[:, t] for t, p in enumerate(tree.programs)]
        self.parts = [_parts(torch.from_numpy(o).long(), device) for o in last]

    def bank(self, data: Tensor, length: Tensor) -> Bank:
        """Run the programs of length 1 and 2 on inputs [n, M, L] of length [n, M]."""
        n, examples, most = data.shape
        data, length = data.permute(2, 1, 0), length.T
        sizes = [len(p) for p in self.tree.programs[:2]]
        whole = Bank(
            torch.cat([data, data.new_zeros(most, examples, sum(sizes))], 2),
            torch.cat([length, length.new_zeros(examples, sum(sizes))], 1),
        )
        start = n
        for t, size in enumerate(sizes):
            for number, which in self.parts[t]:
                takes = range(len(OPERATIONS[number].takes))
                given = [whole.of(self.values[t][which, k]) for k in takes]
                made = apply(OPERATIONS[number], *given)
                shape, rows = (examples, len(which)), len(made.data)
                whole.data[:rows, :, start + which] = made.data.reshape(rows, *shape)
                whole.length[:, start + which] = made.length.reshape(shape)
            start += size
        return whole

    def last(self, bank: Bank, number: int, which: Tensor, example: int | None = None) -> Values:
        """Return what programs `which` of length 3 give, whose last operation is `number`."""
        takes = range(len(OPERATIONS[number].takes))
        given = [bank.of(self.values[2][which, k], example) for k in takes]
        return apply(OPERATIONS[number], *given)


def _parts(operations: Tensor, device: torch.device) -> list[tuple[int, Tensor]]:
    """Return (operation, numbers of the programs that end with it)."""
    numbered = ((k, (operations == k).nonzero()[:, 0]) for k in range(len(OPERATIONS)))
    return [(k, which.to(device)) for k, which in numbered if len(which)]
