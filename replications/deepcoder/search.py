"""Nodes that a search explores before it finds a program, in closed form.

Depth-first search writes operations in an order, the most probable first, and each with all
arguments in the order of their registers; it goes into a program of fewer than `LONGEST` statements
before it goes on. A node is a program; it prunes nothing. So the nodes before a program, and with
it, are those of the subtrees of earlier siblings along its path, whose sizes depend on the types of
their registers alone. Where all consistent programs are known, the least of these counts is where
the search ends.

Sort-and-add does that with the first operation alone, with the first two, and so on, each time from
the start, until a program is found.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import combinations, product

import numpy as np

from replications.deepcoder.language import OPERATIONS
from replications.deepcoder.programs import (
    GIVES_LIST,
    INPUTS,
    LONGEST,
    NONE,
    Programs,
    Signature,
)

COUNT = len(OPERATIONS)


@cache
def choices(lists: int, numbers: int) -> np.ndarray:
    """Return how many arguments each operation has to choose from, [38]."""
    there = {True: lists, False: numbers}
    return np.array([math.prod(there[k] for k in o.takes) for o in OPERATIONS], dtype=np.int64)


class Order:
    """The search of one order of operations, [38] numbers, in programs of one signature."""

    def __init__(self, order: np.ndarray, signature: Signature, longest: int = LONGEST) -> None:
        self.order, self.signature, self.longest = order, signature, longest
        self.place = np.argsort(order)
        """Of each operation in the order."""
        self._sizes: dict[tuple[int, int, int], np.ndarray] = {}
        self._start = sum(signature), len(signature) - sum(signature)

    def _nodes(self, lists: int, numbers: int, left: int) -> np.ndarray:
        """Nodes of each operation in the order, with all that is below them, where the first c
        operations alone may be used: [c = 0 … 38, place of the operation]."""
        many = choices(lists, numbers)[self.order]
        below = [self.size(lists, numbers + 1, left - 1), self.size(lists + 1, numbers, left - 1)]
        is_list = GIVES_LIST[self.order]
        nodes: np.ndarray = many * (1 + np.where(is_list, below[1][:, None], below[0][:, None]))
        return nodes

    def size(self, lists: int, numbers: int, left: int) -> np.ndarray:
        """Return how many nodes are below one with these registers and `left` statements to come,
        where the first c operations alone may be used: [39]."""
        key = (lists, numbers, left)
        if key not in self._sizes:
            if left == 0:
                self._sizes[key] = np.zeros(COUNT + 1, dtype=np.int64)
            else:
                before = np.tril(np.ones((COUNT + 1, COUNT), dtype=np.int64), -1)
                self._sizes[key] = (self._nodes(*key) * before).sum(1)
        return self._sizes[key]

    def whole(self) -> np.ndarray:
        """Return the nodes of the whole search with the first c operations, [39]."""
        return self.size(*self._start, self.longest)

    def ranks(self, programs: Programs, active: int = COUNT) -> np.ndarray:
        """Return the nodes up to each program, with it: [N]. `active` operations are used."""
        n, count = len(self.signature), len(programs)
        total = np.zeros(count, dtype=np.int64)
        # Types of the registers, unknown ones 0 and 0: lists, numbers. [N, 6]
        lists, numbers = (np.zeros((count, INPUTS + LONGEST), dtype=np.int64) for _ in range(2))
        lists[:, :n] = self.signature
        numbers[:, :n] = 1 - lists[:, :n]
        for t in range(self.longest):
            operation = programs.operations[:, t].astype(np.int64)
            there = operation != NONE
            state = np.stack([lists.sum(1), numbers.sum(1)], 1)
            for pair in np.unique(state[there], axis=0):
                rows = np.flatnonzero(there & (state == pair).all(1))
                has = int(pair[0]), int(pair[1])
                nodes = self._nodes(*has, self.longest - t)[active]
                before = np.concatenate([[0], nodes.cumsum()])
                many = choices(*has)
                place = self.place[operation[rows]]
                each = nodes[place] // many[operation[rows]]
                index = _argument_index(programs, t, rows, lists, numbers)
                total[rows] += before[place] + index * each + 1
            gives = GIVES_LIST[operation]
            lists[there, INPUTS + t] = gives[there]
            numbers[there, INPUTS + t] = ~gives[there]
        return total

    def depth_first(self, found: Programs) -> int:
        """Return the nodes explored until one of the programs `found` is written."""
        return int(self.ranks(self._with_dead(found)).min())

    def sort_and_add(self, found: Programs) -> int:
        """Return the same of sort-and-add, earlier searches counted."""
        needs = np.where(found.operations == NONE, -1, self.place[found.operations]).max(1)
        last = int(needs.min())  # place of the operation that is added last
        within = found.rows(needs == last)
        ranks = self.ranks(self._with_dead(within), last + 1)
        return int(self.whole()[: last + 1].sum() + ranks.min())

    def _with_dead(self, found: Programs) -> Programs:
        """Add programs with a dead statement. No matter where it stands, it comes first in the
        search where it is the first that can be written there; one after the last is never first.
        """
        parts = [found]
        for extra in range(1, self.longest):
            some = found.rows(found.lengths <= self.longest - extra)
            for places in combinations(range(self.longest), extra):
                fits = some.rows(some.lengths + extra > max(places))
                if len(fits):
                    parts.append(self._insert(fits, places))
        return Programs.joined(parts)

    def _insert(self, programs: Programs, places: tuple[int, ...]) -> Programs:
        """Write the first statement that there is at `places`; the others move on behind it."""
        count, kept = len(programs), [t for t in range(LONGEST) if t not in places]
        moved = np.array([*range(INPUTS), *(INPUTS + t for t in kept), *[0] * len(places), NONE])
        operations = np.full((count, LONGEST), NONE, dtype=np.int64)
        arguments = np.full((count, LONGEST, 2), NONE, dtype=np.int64)
        operations[:, kept] = programs.operations[:, : len(kept)]
        arguments[:, kept] = moved[programs.arguments[:, : len(kept)]]
        for place in places:
            before = GIVES_LIST[operations[:, :place]]
            for types in product((False, True), repeat=place):
                rows = (before == types).all(1)
                if rows.any():
                    operations[rows, place], arguments[rows, place] = self._first(types)
        return Programs(operations, arguments)

    def _first(self, given: tuple[bool, ...]) -> tuple[int, list[int]]:
        """Return the first operation that can be written behind statements that give a list or
        not, and its first arguments."""
        types = [*enumerate(self.signature), *enumerate(given, INPUTS)]
        for number in self.order.tolist():
            each = [[r for r, k in types if k == is_list] for is_list in OPERATIONS[number].takes]
            if all(each):
                return number, [*(registers[0] for registers in each), NONE][:2]
        raise AssertionError("a program has a list, and there are operations on a list")


def _argument_index(
    programs: Programs, t: int, rows: np.ndarray, lists: np.ndarray, numbers: np.ndarray
) -> np.ndarray:
    """Return the place of the arguments of statement t among all that could stand there."""
    index = np.zeros(len(rows), dtype=np.int64)
    operation = programs.operations[rows, t]
    for k in range(2):
        taken = programs.arguments[rows, t, k].astype(np.int64)
        is_list = TAKES_LIST[operation, k]
        kind = np.where(is_list[:, None], lists[rows], numbers[rows])
        before = np.concatenate([np.zeros((len(rows), 1), dtype=np.int64), kind.cumsum(1)], 1)
        here = before[np.arange(len(rows)), taken.clip(0)]
        index = np.where(taken == NONE, index, index * kind.sum(1) + here)
    return index


TAKES_LIST = np.array([[*o.takes, False][:2] for o in OPERATIONS])
