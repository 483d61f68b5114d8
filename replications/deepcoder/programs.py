"""All programs of a signature in which every statement is used: the tree of the search without what
is dead in it.

A program is up to three statements. Registers are numbered: 0 to 2 are inputs (as many as there
are), 3, 4 and 5 what the statements give. A statement is an operation and one or two registers.

What a statement gives is computed once for all programs that begin alike: a `value` is an input,
what a first statement gives, or what a second one gives that uses the first. Statements of the last
place refer to values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from replications.deepcoder.language import OPERATIONS

Signature = tuple[bool, ...]
"""Of each input, whether it is a list."""
INPUTS, LONGEST = 3, 3
"""The most inputs and statements."""
NONE = -1
SIGNATURES: dict[str, Signature] = {
    "list": (True,),
    "list-int": (True, False),
    "list-list": (True, True),
    "list-int-int": (True, False, False),
    "list-list-int": (True, True, False),
    "list-list-list": (True, True, True),
}
"""All with a list and at most three inputs, but for the order."""
GIVES_LIST = np.array([o.gives_list for o in OPERATIONS])


@dataclass(frozen=True)
class Statements:
    """All that can be written where the registers have certain types, in the order of the search:
    `operation` [S], and the registers of its `arguments` [S, 2], the second NONE where there is
    none."""

    operation: np.ndarray
    arguments: np.ndarray

    def uses(self, register: int) -> np.ndarray:
        """Which statements take a register, [S]."""
        used: np.ndarray = (self.arguments == register).any(1)
        return used


@cache
def statements(types: tuple[tuple[int, bool], ...]) -> Statements:
    """Return all statements on registers, given as (number, is a list) by number."""
    rows = []
    for index, operation in enumerate(OPERATIONS):
        first = [r for r, is_list in types if is_list == operation.takes[0]]
        if len(operation.takes) == 1:
            rows += [(index, r, NONE) for r in first]
        else:
            second = [r for r, is_list in types if is_list == operation.takes[1]]
            rows += [(index, r, q) for r in first for q in second]
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return Statements(table[:, 0], table[:, 1:])


@dataclass(frozen=True)
class Programs:
    """N programs: `operations` [N, 3], NONE behind the last, `arguments` [N, 3, 2], registers."""

    operations: np.ndarray
    arguments: np.ndarray

    def __len__(self) -> int:
        return len(self.operations)

    @property
    def lengths(self) -> np.ndarray:
        """Statements of each, [N]."""
        lengths: np.ndarray = (self.operations != NONE).sum(1)
        return lengths

    def gives_list(self) -> np.ndarray:
        """Return whether the last statement of each gives a list, [N]."""
        gives: np.ndarray = GIVES_LIST[self.operations[np.arange(len(self)), self.lengths - 1]]
        return gives

    def rows(self, which: np.ndarray) -> Programs:
        """Return some of them, by number or by a mask."""
        return Programs(self.operations[which], self.arguments[which])

    @classmethod
    def joined(cls, parts: Sequence[Programs]) -> Programs:
        """Put programs together."""
        operations, arguments = (
            [getattr(p, n) for p in parts] for n in ("operations", "arguments")
        )
        return cls(np.concatenate(operations), np.concatenate(arguments))


@dataclass(frozen=True)
class Tree:
    """The programs of a signature whose statements are all used, by length 1, 2 and 3.

    `programs[t]` has those of t + 1 statements, and `values[t]` [N, 2] the values that their last
    statements take. Values are numbered: inputs first, then what programs of length 1 give, then
    what those of length 2 give."""

    inputs: int
    programs: tuple[Programs, ...]
    values: tuple[np.ndarray, ...]


def _program(parts: list[tuple[np.ndarray, np.ndarray]]) -> Programs:
    """Put statements side by side: (operation [N], arguments [N, 2]) of each place."""
    count = len(parts[0][0])
    operations = np.full((count, LONGEST), NONE, dtype=np.int8)
    arguments = np.full((count, LONGEST, 2), NONE, dtype=np.int8)
    for t, (operation, registers) in enumerate(parts):
        operations[:, t], arguments[:, t] = operation, registers
    return Programs(operations, arguments)


@cache
def tree(signature: Signature) -> Tree:
    """List the programs of a signature."""
    n = len(signature)
    inputs = tuple(enumerate(signature))
    first = statements(inputs)
    ones = _program([(first.operation, first.arguments)])

    def numbered(registers: np.ndarray, *given: tuple[int, np.ndarray]) -> np.ndarray:
        """Turn registers [N, 2] into values: `given` has (register, its value [N])."""
        values = registers.astype(np.int64)
        for register, value in given:
            values = np.where(registers == register, value[:, None], values)
        return values

    twos, two_values = [], []
    for is_list in (False, True):
        s = statements((*inputs, (INPUTS, is_list)))
        second = np.flatnonzero(s.uses(INPUTS))
        i, j = _pairs(np.flatnonzero(GIVES_LIST[first.operation] == is_list), second)
        twos.append(_program([_taken(first, i), _taken(s, j)]))
        two_values.append(numbered(s.arguments[j], (INPUTS, n + i)))
    two = Programs.joined(twos)

    threes, three_values = [], []
    gives = GIVES_LIST[two.operations[:, :2].astype(int)]
    firsts = _places_of(first, two)
    for r3 in (False, True):
        for r4 in (False, True):
            s = statements((*inputs, (INPUTS, r3), (INPUTS + 1, r4)))
            # The second statement uses the first, and the third the second.
            parents = np.flatnonzero((gives == (r3, r4)).all(1))
            i, j = _pairs(parents, np.flatnonzero(s.uses(INPUTS + 1)))
            threes.append(_program([*_begun(two, i), _taken(s, j)]))
            of_two = (INPUTS, n + firsts[i]), (INPUTS + 1, n + len(first.operation) + i)
            three_values.append(numbered(s.arguments[j], *of_two))
            # The second does not, and the third uses both.
            third = np.flatnonzero(s.uses(INPUTS) & s.uses(INPUTS + 1))
            a, b = (np.flatnonzero(GIVES_LIST[first.operation] == is_list) for is_list in (r3, r4))
            a, b = _pairs(a, b)
            i, j = _pairs(np.arange(len(a)), third)
            threes.append(_program([_taken(first, a[i]), _taken(first, b[i]), _taken(s, j)]))
            of_both = (INPUTS, n + a[i]), (INPUTS + 1, n + b[i])
            three_values.append(numbered(s.arguments[j], *of_both))
    three = Programs.joined(threes)
    values = (first.arguments, np.concatenate(two_values), np.concatenate(three_values))
    order = np.argsort(three.operations[:, 2], kind="stable")  # so that each runs in one go
    return Tree(n, (ones, two, three.rows(order)), (*values[:2], values[2][order]))


def _pairs(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return every entry of `one` beside every one of `other`."""
    return np.repeat(one, len(other)), np.tile(other, len(one))


def _taken(s: Statements, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return s.operation[which], s.arguments[which]


def _begun(two: Programs, which: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(two.operations[which, t], two.arguments[which, t]) for t in range(2)]


def _places_of(first: Statements, two: Programs) -> np.ndarray:
    """Return which first statement each program of length 2 begins with."""

    def key(operation: np.ndarray, arguments: np.ndarray) -> np.ndarray:
        a = arguments.astype(np.int64) + 1
        return (operation.astype(np.int64) * 8 + a[:, 0]) * 8 + a[:, 1]

    keys = key(first.operation, first.arguments)  # in ascending order
    return np.searchsorted(keys, key(two.operations[:, 0], two.arguments[:, 0]))
