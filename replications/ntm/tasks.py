"""Copying random binary vectors (Graves et al. 2014, arXiv 1410.5401, section 4.1).

A learner is shown a sequence of random bit vectors and then a delimiter, and must give the sequence
back while nothing more is shown. Lengths are drawn anew for each task. A batch may mix them: what
is after a sequence's end is masked. Tasks of validation and test have more vectors than their
length, so that the same tasks can be tried at other lengths, also beyond those of training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from harness.errors import HarnessError
from harness.ranges import Range
from harness.switch_types import StepsFromOne
from harness.tasks.source import BLOCK, Arrays, TaskSource

LENGTH_STREAM, BIT_STREAM = range(2)


@dataclass(frozen=True)
class CopySequenceSettings:
    """Switches of the copy task."""

    bits: Annotated[int, Range(1, 1024)]
    """Numbers in a vector, each 0 or 1 with the same chance."""
    shortest: StepsFromOne
    """Vectors of a sequence: from this many …"""
    longest: StepsFromOne
    """… to this many, all equally likely, in training and for what is reported without a length."""
    longest_at_test: StepsFromOne
    """Vectors that validation and test tasks have, so that longer sequences can be tried."""


@dataclass(frozen=True)
class CopyBatch:
    """T tasks. `vectors` [T, V, bits] float32 of 0 and 1; `lengths` [T] int64, at most V: task i is
    to copy the first lengths[i] of its vectors."""

    vectors: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        return len(self.lengths)

    def prefix(self, length: int) -> CopyBatch:
        """Return the same tasks with `length` vectors each."""
        return CopyBatch(self.vectors[:, :length], torch.full_like(self.lengths, length))

    def inputs(self) -> Tensor:
        """Return what is shown, [T, 2 S + 1, bits + 1] with S the longest of `lengths`.

        Task i has its vectors at steps 0 … L-1, the delimiter (a channel of its own, the last) at
        step L, and zeros after that: its answer is due at steps L+1 … 2 L. What a shorter sequence
        has after that is not asked for.
        """
        shown = self.targets()
        steps = 2 * shown.shape[1] + 1
        x = shown.new_zeros(len(self), steps, shown.shape[2] + 1)
        x[:, : shown.shape[1], :-1] = shown
        x[:, :, -1].scatter_(1, self.lengths[:, None], 1.0)
        return x

    def targets(self) -> Tensor:
        """Return what is to be copied, [T, S, bits], zeros after the end of a shorter sequence."""
        longest = self.vectors[:, : int(self.lengths.max())]
        return longest * self.asked().unsqueeze(-1)

    def asked(self) -> Tensor:
        """Return [T, S] float32: 1 for the vectors of a sequence, 0 after its end."""
        steps = torch.arange(int(self.lengths.max()), device=self.lengths.device)
        return (steps < self.lengths[:, None]).to(self.vectors.dtype)

    def answers(self, given: Tensor) -> Tensor:
        """Pick the answers [T, S, …] from what a learner gave after each step, [T, 2 S + 1, …]."""
        longest = given.shape[1] // 2
        steps = self.lengths[:, None] + 1 + torch.arange(longest, device=given.device)
        # After the end of a shorter sequence there is nothing to ask for: any step will do.
        steps = steps.clamp(max=given.shape[1] - 1)
        return given[torch.arange(len(self), device=given.device)[:, None], steps]


class CopySequences(TaskSource):
    """Copy tasks. Those of validation and test have `longest_at_test` vectors each.

    Raises HarnessError at construction where the shortest length is above the longest, or that
    above what tasks have at test.
    """

    Settings = CopySequenceSettings
    settings: CopySequenceSettings

    def __init__(
        self, settings: Any, train_seed: int, evaluation_seed: int, device: torch.device
    ) -> None:
        super().__init__(settings, train_seed, evaluation_seed, device)
        s = self.settings
        least = {"longest": s.shortest, "longest_at_test": s.longest}
        for name, bound in least.items():
            if getattr(s, name) < bound:
                raise HarnessError(
                    f"tasks.{name}: found {getattr(s, name)}, wanted at least {bound}."
                )
        self.input_width = s.bits + 1
        self.target_width = s.bits

    @classmethod
    def batch_bytes(cls, settings: Any, split: str, count: int) -> int:
        """Return the bytes of inputs and targets, float32, and of a block's bits, uint8."""
        s = settings
        vectors = s.longest_at_test if split in ("val", "test") else s.longest
        return int(vectors * (s.bits + 1) * (4 * 3 * count + BLOCK))

    def draw_block(self, split: str, block: int) -> Arrays:
        """Draw `length` [BLOCK] int64 and `vectors` [BLOCK, V, bits] uint8."""
        s = self.settings
        vectors = s.longest_at_test if split in ("val", "test") else s.longest
        length = self.generator(split, block, LENGTH_STREAM).integers(
            s.shortest, s.longest, BLOCK, endpoint=True
        )
        bits = self.generator(split, block, BIT_STREAM).integers(
            0, 2, (BLOCK, vectors, s.bits), dtype=np.uint8
        )
        return {"length": length, "vectors": bits}

    def to_batch(self, arrays: Arrays) -> CopyBatch:
        """Lay tasks on the device."""
        return CopyBatch(
            vectors=torch.from_numpy(arrays["vectors"]).to(self.device).float(),
            lengths=torch.from_numpy(arrays["length"]).to(self.device),
        )


TASK_SOURCES = {"copy_sequences": CopySequences}
