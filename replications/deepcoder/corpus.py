"""The programs of training and test: what is left of all of them.

A program is left out where an input or a statement is not used, where it has no valid inputs, where
its output is always the same, or where a shorter program does the same; of equally long ones that
do the same the first is kept. "Does the same" is found on fixed random inputs (paper, section 4.2).
What a program does also decides its split, so that test programs differ from all training programs
in what they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from replications.deepcoder.bounds import has_inputs, input_ranges
from replications.deepcoder.language import ATTRIBUTES, OPERATIONS, apply
from replications.deepcoder.programs import (
    SIGNATURES,
    Programs,
    Tree,
    tree,
)
from replications.deepcoder.running import Run

PROBES = 24
"""Inputs on which programs are compared."""
SCALES = (3, 12, 60, 256)
"""Numbers of a probe are within ± one of these, by turns."""
SHARES = 1000
"""What a program does, as a hash, names one of so many shares; the first are held out."""
WITH = np.array([[a in o.attributes for a in ATTRIBUTES] for o in OPERATIONS] + [[False] * 34])
"""Attributes of each operation, [39, 34]; the last row, at NONE, has none."""


@dataclass(frozen=True)
class Corpus:
    """N programs: what `programs.py` says of them, and the range of each input, [N, 3, 2], which
    signature they have, and which share they belong to."""

    programs: Programs
    ranges: np.ndarray
    signature: np.ndarray
    share: np.ndarray

    def __len__(self) -> int:
        return len(self.programs)

    def rows(self, which: np.ndarray) -> Corpus:
        """Return some of them, by number or by a mask."""
        return Corpus(
            self.programs.rows(which), self.ranges[which], self.signature[which], self.share[which]
        )

    @classmethod
    def joined(cls, parts: Sequence[Corpus]) -> Corpus:
        """Put programs together."""
        names = ("ranges", "signature", "share")
        return cls(
            Programs.joined([p.programs for p in parts]),
            *(np.concatenate([getattr(p, name) for p in parts]) for name in names),
        )

    def attributes(self) -> np.ndarray:
        """Return which attributes each program has, [N, 34]."""
        has: np.ndarray = WITH[self.programs.operations].any(1)
        return has


@cache
def corpus(numbers: int, entries: int) -> Corpus:
    """Return the programs of all signatures, shorter ones first within each."""
    parts = [_of_signature(k, numbers, entries) for k in range(len(SIGNATURES))]
    return Corpus.joined(parts)


def _of_signature(number: int, numbers: int, entries: int) -> Corpus:
    signature = list(SIGNATURES.values())[number]
    whole = tree(signature)
    key, constant = behaviour(whole, number, entries)
    programs = Programs.joined(whole.programs)
    _, first = np.unique(key, return_index=True)  # the first is the shortest
    is_first = np.zeros(len(key), dtype=bool)
    is_first[first] = True
    given = key[: len(signature)]  # what an input is needs no program
    kept = is_first[len(signature) :] & ~np.isin(key[len(signature) :], given)
    kept &= ~constant[len(signature) :]
    for register in range(len(signature)):
        kept &= (programs.arguments == register).any((1, 2))
    some, key = programs.rows(kept), key[len(signature) :][kept]
    ranges = input_ranges(some, numbers, entries)
    valid = has_inputs(some, ranges)
    share = (key[valid].view(np.uint64) >> np.uint64(20)) % np.uint64(SHARES)
    which = np.full(int(valid.sum()), number)
    return Corpus(some.rows(valid), ranges[valid], which, share.astype(np.int64))


def probes(signature: tuple[bool, ...], stream: int, entries: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw fixed inputs: `data` [n, PROBES, L] and `length` [n, PROBES], both int32. Lists have all
    lengths, integers are indices by turns."""
    rng = np.random.default_rng(np.random.SeedSequence(1611_01989, spawn_key=(stream,)))
    n, scale = len(signature), np.resize(SCALES, PROBES)[:, None]
    data = rng.integers(-scale, scale + 1, size=(n, PROBES, entries))
    length = np.where(
        rng.random((n, PROBES)) < 0.5, entries, rng.integers(0, entries + 1, (n, PROBES))
    )
    index = rng.integers(-1, entries + 1, (n, PROBES))
    for k, is_list in enumerate(signature):
        if is_list:
            data[k, np.arange(entries) >= length[k][:, None]] = 0
        else:
            first = np.where(np.arange(PROBES) % 4 == 3, data[k, :, 0], index[k])
            data[k], length[k] = 0, 1
            data[k, :, 0] = first
    return data.astype(np.int32), length.astype(np.int32)


def behaviour(whole: Tree, stream: int, entries: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a hash of what each input and each program of a tree gives on all probes, [n + N]
    int64, and whether it is always the same, [n + N]."""
    signature = list(SIGNATURES.values())[stream]
    data, length = probes(signature, stream, entries)
    ready = Run(whole, torch.device("cpu"))
    bank = ready.bank(torch.from_numpy(data), torch.from_numpy(length))
    rng = np.random.default_rng(np.random.SeedSequence(1611_01989, spawn_key=(stream, 1)))
    factors = torch.from_numpy(rng.integers(-(2**62), 2**62, (entries + 2, PROBES)))
    gives = [p.gives_list() for p in whole.programs[:2]]
    is_list = torch.from_numpy(np.concatenate([np.array(signature), *gives]))[:, None]
    rows, sizes = bank.data.transpose(1, 2), bank.length.T
    keys = [_hash(rows, sizes, is_list, factors)]
    constants = [_constant(rows, sizes)]
    hashed = torch.empty(len(whole.programs[2]), dtype=torch.int64)
    same = torch.empty(len(whole.programs[2]), dtype=torch.bool)
    used = _uses_all_inputs(whole)
    for part in ready.parts[2]:
        kept = used[part.programs].nonzero()[:, 0]
        for some in kept.split(20_000):
            given = [bank.of(values[some]) for values in part.taken]
            made = apply(part.operation, *given)
            rows = made.data.reshape(len(made.data), PROBES, len(some)).transpose(1, 2)
            sizes = made.length.reshape(PROBES, len(some)).T
            kind = torch.tensor(part.operation.gives_list)
            hashed[part.programs[some]] = _hash(rows, sizes, kind, factors)
            same[part.programs[some]] = _constant(rows, sizes)
    # What leaves an input out is no program of this signature: it is given a hash of its own.
    unused = ~used
    hashed[unused] = torch.arange(int(unused.sum()))
    keys.append(hashed)
    constants.append(same)
    return torch.cat(keys).numpy(), torch.cat(constants).numpy()


def _uses_all_inputs(whole: Tree) -> torch.Tensor:
    arguments = whole.programs[2].arguments
    used = [(arguments == k).any((1, 2)) for k in range(whole.inputs)]
    return torch.from_numpy(np.all(used, axis=0))


def _hash(
    rows: torch.Tensor, size: torch.Tensor, is_list: torch.Tensor, factors: torch.Tensor
) -> torch.Tensor:
    """Return a hash of what N programs give, [N]: rows [L, N, PROBES], sizes [N, PROBES]."""
    total = (size * factors[-2]).sum(-1) + (is_list * factors[-1]).sum(-1)
    for row, factor in zip(rows, factors, strict=False):
        total += (row.long() * factor).sum(-1)
    return total


def _constant(rows: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
    return (rows == rows[..., :1]).all(-1).all(0) & (size == size[..., :1]).all(-1)
