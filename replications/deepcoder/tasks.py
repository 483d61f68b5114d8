"""Programs to be found from five examples of what they do (paper, sections 3 and 4.2).

A task of training is one program with its examples. A task of validation or test is what the paper
reports on, a set of many programs: a speed-up is of a set.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor

from harness.errors import HarnessError
from harness.ranges import Entries, Range
from harness.switch_types import Examples
from harness.tasks.source import BLOCK, Arrays, TaskSource
from replications.deepcoder.corpus import SHARES, WITH, Corpus, corpus
from replications.deepcoder.programs import INPUTS, LONGEST, SIGNATURES, Programs
from replications.deepcoder.running import run

PROGRAM_STREAM, KEY_STREAM, EPOCH_STREAM = range(3)
Named = Literal["list", "list-int", "list-list", "list-int-int", "list-list-int", "list-list-list"]


@dataclass(frozen=True)
class ProgramSettings:
    """Switches of programs and examples."""

    numbers: Annotated[int, Range(8, 4096)]
    """V: integers of inputs and outputs are from -V to V - 1."""
    entries: Annotated[int, Range(2, 64)]
    """Of an input list: it has as many as that."""
    examples: Annotated[int, Range(1, 100)]
    """Of a program."""
    redrawn: bool
    """Whether a training program has other examples in each epoch."""
    held_out: Annotated[float, Range(0, 0.4, above=True)]
    """Share of programs, by what they do, for test, and as many for validation."""
    test_programs: Examples
    """In a set of the test."""
    test_signatures: Annotated[tuple[Named, ...], Entries(1, 6)]
    """Inputs of tested programs; training has all six."""
    test_mix: Literal["equal", "by-programs"]
    """How many tested programs have each: equally many, or as all programs that are left have."""


@dataclass(frozen=True)
class Problems:
    """T sets of P programs with M examples of three inputs at most, of at most L entries.

    `data` [T, P, 3, M, L] int32, zeros behind the end; `length` [T, P, 3, M] int32; `kind`
    [T, P, 4] int64 of inputs and output: 0 none, 1 an integer, 2 a list; `output` [T, P, M, L]
    int32; `size` [T, P, M] int32, its length; `attributes` [T, P, 34] bool; `signature` [T, P]
    int64."""

    data: Tensor
    length: Tensor
    kind: Tensor
    output: Tensor
    size: Tensor
    attributes: Tensor
    signature: Tensor

    def __len__(self) -> int:
        return len(self.data)


class ProgramTasks(TaskSource):
    """Programs of at most three statements; tests have those of three."""

    Settings = ProgramSettings
    test_only = frozenset({"test_programs", "test_signatures", "test_mix"})
    settings: ProgramSettings

    @classmethod
    def batch_bytes(cls, settings: Any, split: str, count: int) -> int:
        """Return the bytes of a block of programs, and of registers and embedded examples."""
        programs = 1 if split == "train" else settings.test_programs
        cells = settings.examples * settings.entries
        return int(programs * (BLOCK * 80 + count * cells * 4 * 24))

    def train_on_few_classes(self) -> None:
        """For smoke runs: test few programs a set."""
        self.settings = replace(self.settings, test_programs=min(2, self.settings.test_programs))

    def data_note(self) -> str:
        """Say what keeps a speed-up from being compared with a printed one."""
        return (
            "how many inputs, and of which types, the paper's 500 test programs have is not known"
        )

    @cached_property
    def corpus(self) -> Corpus:
        """All programs."""
        return corpus(self.settings.numbers, self.settings.entries)

    @cached_property
    def training_programs(self) -> Corpus:
        """Those of training."""
        c = self.corpus
        return c.rows(c.share >= 2 * self._held)

    @property
    def _held(self) -> int:
        return max(1, round(self.settings.held_out * SHARES))

    @cached_property
    def attribute_shares(self) -> np.ndarray:
        """Return the share of training programs that have each attribute, [34]: the prior."""
        shares: np.ndarray = self.training_programs.attributes().mean(0)
        return shares

    def _pools(self, split: str) -> list[Corpus]:
        """Return the programs of `split` to draw from in equal shares."""
        c, held = self.corpus, self._held
        first = 0 if split == "test" else held
        there = (c.share >= first) & (c.share < first + held) & (c.programs.lengths == LONGEST)
        names = list(SIGNATURES)
        each = [
            there & (c.signature == names.index(name)) for name in self.settings.test_signatures
        ]
        if self.settings.test_mix == "by-programs":
            each = [np.any(each, axis=0)]
        pools = [c.rows(which) for which in each]
        if not all(map(len, pools)):
            named = ", ".join(self.settings.test_signatures)
            raise HarnessError(
                f"tasks.test_signatures: found {named}, of which some have no program to test; "
                "wanted a larger tasks.held_out or other signatures."
            )
        return pools

    def draw_block(self, split: str, block: int) -> Arrays:
        """Draw programs with the ranges of their inputs, and `keys` of their examples: of training
        [BLOCK, 1, …], else [BLOCK, P, …]."""
        if split in ("train", "trainval"):
            chosen, keys = self._training_block(split, block)
        else:
            chosen, keys = self._test_block(split, block)
        return {
            "operations": chosen.programs.operations.reshape(BLOCK, -1, LONGEST),
            "arguments": chosen.programs.arguments.reshape(BLOCK, -1, LONGEST, 2),
            "ranges": chosen.ranges.reshape(BLOCK, -1, INPUTS, 2).astype(np.int16),
            "signature": chosen.signature.reshape(BLOCK, -1),
            "keys": keys.reshape(BLOCK, -1),
        }

    def _training_block(self, split: str, block: int) -> tuple[Corpus, np.ndarray]:
        """Take the next programs of an epoch, each of which has all of them in an order of its
        own."""
        whole = self.training_programs
        tasks = block * BLOCK + np.arange(BLOCK)
        numbers = np.empty(BLOCK, dtype=np.int64)
        for epoch in np.unique(tasks // len(whole)):
            rows = tasks // len(whole) == epoch
            order = self.generator(split, int(epoch), EPOCH_STREAM).permutation(len(whole))
            numbers[rows] = order[tasks[rows] % len(whole)]
        if self.settings.redrawn:
            keys = self.generator(split, block, KEY_STREAM).integers(2**63, size=BLOCK)
        else:
            keys = self.generator(split, 0, KEY_STREAM).integers(2**63, size=len(whole))[numbers]
        return whole.rows(numbers), keys

    def _test_block(self, split: str, block: int) -> tuple[Corpus, np.ndarray]:
        """Draw sets of programs: in each, no program is there twice while others are left."""
        count, pools = self.settings.test_programs, self._pools(split)
        rng = self.generator(split, block, PROGRAM_STREAM)
        starts = np.cumsum([0, *map(len, pools)])
        numbers = np.empty((BLOCK, count), dtype=np.int64)
        for k, pool in enumerate(pools):
            columns = np.arange(k, count, len(pools))
            order = rng.random((BLOCK, len(pool))).argsort(1)
            numbers[:, columns] = starts[k] + order[:, np.arange(len(columns)) % len(pool)]
        whole = Corpus.joined(pools)
        keys = self.generator(split, block, KEY_STREAM).integers(2**63, size=BLOCK * count)
        return whole.rows(numbers.ravel()), keys

    def to_batch(self, arrays: Arrays) -> Problems:
        """Draw the examples' inputs, and run the programs on the device."""
        s = self.settings
        shape = arrays["keys"].shape
        count, examples, most = int(np.prod(shape)), s.examples, s.entries
        programs = Programs(
            arrays["operations"].reshape(count, LONGEST),
            arrays["arguments"].reshape(count, LONGEST, 2),
        )
        signature = arrays["signature"].reshape(count)
        kind = KINDS[signature]
        noise = uniform(arrays["keys"].reshape(count), examples * INPUTS * most)
        noise = noise.reshape(count, INPUTS, examples, most)
        low, high = arrays["ranges"].reshape(count, INPUTS, 2).astype(np.int64).transpose(2, 0, 1)
        low, high = low[:, :, None, None], high[:, :, None, None]
        data = low + (noise * (high - low)).astype(np.int64)
        length = np.choose(kind, [0, 1, most])  # [count, 3]
        data *= np.arange(most) < length[:, :, None, None]
        data = np.ascontiguousarray(data.astype(np.int32))

        there = torch.from_numpy(data).to(self.device)
        lengths = torch.from_numpy(np.repeat(length[:, :, None], examples, 2).astype(np.int32))
        lengths = lengths.to(self.device)
        each = Programs(
            programs.operations.repeat(examples, 0), programs.arguments.repeat(examples, 0)
        )
        columns = there.permute(1, 3, 0, 2).reshape(INPUTS, most, count * examples)
        made = run(each, columns, lengths.permute(1, 0, 2).reshape(INPUTS, -1))
        gives = programs.gives_list()
        kinds = np.concatenate([kind, 1 + gives[:, None]], 1)

        def laid(a: np.ndarray) -> Tensor:
            there: Tensor = torch.from_numpy(a).to(self.device).unflatten(0, shape)
            return there

        return Problems(
            there.unflatten(0, shape),
            lengths.unflatten(0, shape),
            laid(kinds.astype(np.int64)),
            made.data.T.reshape(*shape, examples, most),
            made.length.reshape(*shape, examples),
            laid(WITH[programs.operations].any(1)),
            laid(signature),
        )


KINDS = np.array(
    [[*(1 + np.array(s, dtype=int)), *[0] * (INPUTS - len(s))] for s in SIGNATURES.values()]
)
"""Of the inputs of each signature, as in `Problems`."""


def uniform(keys: np.ndarray, count: int) -> np.ndarray:
    """Return `count` numbers of [0, 1) for each key, [N, count]: SplitMix64 (Steele et al. 2014),
    which gives them in any order and without a loop."""
    with np.errstate(over="ignore"):
        z = keys.astype(np.uint64)[:, None] + np.uint64(0x9E3779B97F4A7C15) * np.arange(
            1, count + 1, dtype=np.uint64
        )
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    numbers: np.ndarray = (z >> np.uint64(11)) * 2.0**-53
    return numbers


TASK_SOURCES = {"programs": ProgramTasks}
