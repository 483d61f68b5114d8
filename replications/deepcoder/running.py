"""Runs many programs at once: each on its own inputs, or all of a signature on one task's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from replications.deepcoder.language import OPERATIONS, Operation, Values, apply
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


@dataclass(frozen=True)
class Part:
    """Programs of one length that end with one operation: their numbers [K], and the values that it
    takes, [K] for each argument. Parts of one `group` take the same values."""

    operation: Operation
    programs: Tensor
    taken: tuple[Tensor, ...]
    group: int


class Run:
    """A tree on one device, ready to be run."""

    def __init__(self, tree: Tree, device: torch.device) -> None:
        self.tree, self.device = tree, device
        each = zip(tree.programs, tree.values, strict=True)
        self.parts = [_parts(p.operations[:, t], v, device) for t, (p, v) in enumerate(each)]

    def bank(self, data: Tensor, length: Tensor) -> Bank:
        """Run the programs of length 1 and 2 on inputs [n, M, L] of length [n, M]."""
        n, examples, most = data.shape
        data, length = data.permute(2, 1, 0), length.T
        count = sum(len(p) for p in self.tree.programs[:2])
        whole = Bank(
            torch.cat([data, data.new_zeros(most, examples, count)], 2),
            torch.cat([length, length.new_zeros(examples, count)], 1),
        )
        start = n
        for parts, programs in zip(self.parts, self.tree.programs[:2], strict=False):
            for part, made in run_parts(whole, parts):
                shape, rows = (examples, len(part.programs)), len(made.data)
                whole.data[:rows, :, start + part.programs] = made.data.reshape(rows, *shape)
                whole.length[:, start + part.programs] = made.length.reshape(shape)
            start += len(programs)
        return whole


def run_parts(
    bank: Bank, parts: Iterable[Part], example: int | None = None
) -> Iterator[tuple[Part, Values]]:
    """Run parts on one example, or on all; what parts of a group take is fetched once."""
    fetched: dict[int, list[Values]] = {}
    for part in parts:
        if part.group not in fetched:
            fetched[part.group] = [bank.of(values, example) for values in part.taken]
        yield part, apply(part.operation, *fetched[part.group])


def _parts(operations: np.ndarray, values: np.ndarray, device: torch.device) -> list[Part]:
    parts: list[Part] = []
    groups: dict[tuple[bytes, ...], tuple[int, tuple[Tensor, ...]]] = {}
    for number, operation in enumerate(OPERATIONS):
        which = np.flatnonzero(operations == number)
        if len(which):
            taken = [np.ascontiguousarray(values[which, k]) for k in range(len(operation.takes))]
            key = tuple(t.tobytes() for t in taken)
            if key not in groups:
                there = tuple(torch.from_numpy(t).to(device) for t in taken)
                groups[key] = len(groups), there
            group, there = groups[key]
            parts.append(Part(operation, torch.from_numpy(which).to(device), there, group))
    return parts
