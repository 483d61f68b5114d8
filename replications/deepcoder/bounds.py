"""Ranges of inputs for which a program's numbers stay small, as in the authors' generator.

The output is to lie in -V … V - 1; that is propagated backwards through the statements. What the
rules of the generator give is kept, also where it is not tight: a range is lower end, which is in,
and upper end, which is not; division is towards minus infinity, as in Python 2. A program of which
an input has an empty range is discarded.
"""

from __future__ import annotations

import numpy as np

from replications.deepcoder.language import OPERATIONS
from replications.deepcoder.programs import INPUTS, LONGEST, Programs

Ends = tuple[np.ndarray, np.ndarray]


def input_ranges(programs: Programs, numbers: int, entries: int) -> np.ndarray:
    """Return the range of each input of N programs, [N, 3, 2], where integers are below `numbers`
    in magnitude and lists have `entries` entries. What is no input has the full range."""
    limits = np.empty((len(programs), INPUTS + LONGEST, 2), dtype=np.int64)
    limits[:] = (-numbers, numbers)
    for t in reversed(range(LONGEST)):
        for number, operation in enumerate(OPERATIONS):
            rows = np.flatnonzero(programs.operations[:, t] == number)
            if not len(rows):
                continue
            low, high = limits[rows, INPUTS + t].T
            for k, ends in enumerate(_wanted(operation.attributes, low, high, numbers, entries)):
                taken = programs.arguments[rows, t, k]
                limits[rows, taken, 0] = np.maximum(limits[rows, taken, 0], ends[0])
                limits[rows, taken, 1] = np.minimum(limits[rows, taken, 1], ends[1])
    return limits[:, :INPUTS]


def has_inputs(programs: Programs, ranges: np.ndarray) -> np.ndarray:
    """Return of which programs no input has an empty range, [N]."""
    used = (programs.arguments[:, :, :, None] == np.arange(INPUTS)).any((1, 2))
    there: np.ndarray = ((ranges[:, :, 0] < ranges[:, :, 1]) | ~used).all(1)
    return there


def _wanted(
    names: tuple[str, ...], low: np.ndarray, high: np.ndarray, numbers: int, entries: int
) -> list[Ends]:
    """Return the range of each argument where the result is to lie in [low, high)."""
    function, rule = names[0], names[-1]
    if function in ("TAKE", "DROP", "ACCESS"):
        return [(np.zeros_like(low), np.full_like(high, entries)), (low, high)]
    if function == "SUM":
        return [(low // entries + 1, high // entries)]
    if function == "COUNT":
        return [(np.full_like(low, -numbers), np.full_like(high, numbers))]
    if function == "MAP":
        return [_of_map(rule, low, high)]
    if function == "ZIPWITH":
        return [_of_pair(rule, low, high)] * 2
    if function == "SCANL1":
        return [_of_scan(rule, low, high, entries)]
    return [(low, high)]


def _of_map(rule: str, low: np.ndarray, high: np.ndarray) -> Ends:
    match rule:
        case "INC":
            return low, high - 1
        case "DEC":
            return low + 1, high
        case "SHL":
            return (low + 1) // 2, high // 2
        case "SHR":
            return 2 * low, 2 * high
        case "doNEG":
            return -high + 1, -low + 1
        case "MUL3":
            return (low + 2) // 3, high // 3
        case "MUL4":
            return (low + 3) // 4, high // 4
        case "SQR":
            return _of_square(low, high)
    return low, high  # division


def _of_square(low: np.ndarray, high: np.ndarray) -> Ends:
    most = np.maximum(high - 1, 0)
    none = np.maximum(low, 0) > high - 1
    ends = -np.sqrt(most).astype(np.int64), np.ceil(np.sqrt(most + 1)).astype(np.int64)
    return np.where(none, 0, ends[0]), np.where(none, 0, ends[1])


def _of_pair(rule: str, low: np.ndarray, high: np.ndarray) -> Ends:
    if rule in ("+", "-"):
        return low // 2 + 1, high // 2
    if rule == "*":
        return _of_square(np.zeros_like(low), np.minimum(-(low + 1), high))
    return low, high


def _of_scan(rule: str, low: np.ndarray, high: np.ndarray, entries: int) -> Ends:
    if rule in ("+", "-"):
        return low // entries + 1, high // entries
    if rule == "*":
        # With ten entries and numbers up to 256 nothing is left: SCANL1 * is in no program.
        ends = ((np.maximum(low, 0) + 1), np.maximum(high, 0))
        return (ends[0] ** (1 / entries)).astype(np.int64), (ends[1] ** (1 / entries)).astype(
            np.int64
        )
    return low, high
