"""What every task source is: task i is a pure function of (seed, split, i).

Tasks are drawn in blocks of `BLOCK` by array operations; block b of a split has its own generators,
separated by construction (`numpy.random.SeedSequence(seed, spawn_key=(split, block, stream))`). So
task i does not depend on the device, the process, or on which tasks were asked for before, and yet
no Python loop runs over tasks.
"""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

import numpy as np
import torch

from harness.errors import HarnessError
from harness.tasks.memory import check_batch, machine_bytes

BLOCK = 256
SPLITS = ("train", "val", "trainval", "test")
Arrays = Mapping[str, np.ndarray]


class Data(Protocol):
    """Images that tasks are drawn from (`harness.data`)."""

    @property
    def data_note(self) -> str:
        """Return why they are not the images of the dataset; '' if they are."""

    @property
    def data_caveat(self) -> str:
        """Return a note if they are another copy than the one known here, else ''."""

    def check(self) -> None:
        """Raise HarnessError where the pixels are no longer what their digest says."""


class TestSplitLocked(HarnessError):
    """Raised when test tasks are asked for before training has ended."""

    __test__ = False  # not a test class, whatever pytest thinks of its name


class TaskSource(abc.ABC):
    """Gives batches of tasks. A subclass draws one block of raw arrays and lays them on a device.

    `Settings` is the frozen dataclass of the source's switches (section `tasks`);
    `synthetic` is true where the data only stand in for real ones, so that no verdict is given.
    """

    Settings: ClassVar[type]
    test_only: ClassVar[frozenset[str]] = frozenset()
    """Switches of test tasks alone, which training does not depend on."""
    synthetic: bool = False

    def __init__(
        self, settings: Any, train_seed: int, evaluation_seed: int, device: torch.device
    ) -> None:
        self.settings = settings
        self.device = device
        self._seeds = {
            "train": train_seed,
            "trainval": train_seed,
            "val": evaluation_seed,
            "test": evaluation_seed,
        }
        self._training_ended = False
        self._blocks: dict[tuple[str, int], Arrays] = {}

    @abc.abstractmethod
    def draw_block(self, split: str, block: int) -> Arrays:
        """Draw tasks block*BLOCK … (block+1)*BLOCK - 1 as arrays whose first axis is the task."""

    @abc.abstractmethod
    def to_batch(self, arrays: Arrays) -> Any:
        """Turn rows of a block into what methods take, on `self.device`."""

    @classmethod
    @abc.abstractmethod
    def batch_bytes(cls, settings: Any, split: str, count: int) -> int:
        """Return the bytes that `count` tasks of `split` take, drawn and laid on the device, from
        the switches alone."""

    def train_on_few_classes(self) -> None:  # noqa: B027 - most sources have no such thing
        """For smoke runs: make training tasks no larger than those of a test, where they are."""

    def embedded_once(
        self,
        split: str,
        count: int,
        embed: Callable[[Any], Any],
        at_once: int,
        label: str = "",
    ) -> Any | None:
        """Return tasks of `split` with what `embed` makes of their images in place of these, each
        embedded once; None where that does not pay for `count` tasks, or where they have none.

        `embed` takes `at_once` images at most, [B, C, H, W], and gives [B, D]; with a `label`,
        progress is shown."""
        return None

    def data_digest(self) -> str:
        """Return the sha256 of the data behind the tasks ('' for generated tasks)."""
        return ""

    def data(self) -> tuple[Data, ...]:
        """Return the images that tasks are drawn from; none for generated tasks."""
        return ()

    def data_note(self) -> str:
        """Return why the data are not those that papers report on; '' where they are."""
        return "; ".join(filter(None, (d.data_note for d in self.data())))

    def data_caveat(self) -> str:
        """Return a note about a true copy of the data, or ''."""
        return "; ".join(filter(None, (d.data_caveat for d in self.data())))

    def check_data(self) -> None:
        """Take the digests of all pixels as they are now (about a second a gigabyte).

        Raises HarnessError where they are not those that `data_digest` names.
        """
        for d in self.data():
            d.check()

    def generator(self, split: str, block: int, stream: int) -> np.random.Generator:
        """Return the generator of one named stream of one block."""
        key = (SPLITS.index(split), block, stream)
        return np.random.default_rng(np.random.SeedSequence(self._seeds[split], spawn_key=key))

    def end_training(self) -> None:
        """Open the test split; from here on no training task is given any more."""
        self._training_ended = True

    def batch(self, split: str, first: int, count: int) -> Any:
        """Return tasks first … first+count-1 of `split`; HarnessError where memory is too small."""
        check_batch(split, count, self.batch_bytes(self.settings, split, count), machine_bytes())
        return self.to_batch(self.arrays(split, first, count))

    def arrays(self, split: str, first: int, count: int) -> dict[str, np.ndarray]:
        """Return the raw arrays of tasks first … first+count-1 of `split`."""
        if split not in SPLITS:
            raise HarnessError(f"found split {split!r}, wanted one of {', '.join(SPLITS)}.")
        if split == "test" and not self._training_ended:
            raise TestSplitLocked("the test split cannot be read before training has ended.")
        if split in ("train", "trainval") and self._training_ended:
            raise HarnessError("training has ended: no training task is given any more.")
        parts: list[Arrays] = []
        i, last = first, first + count
        while i < last:
            block, row = divmod(i, BLOCK)
            stop = min(BLOCK, row + last - i)
            arrays = self._block(split, block)
            parts.append({name: a[row:stop] for name, a in arrays.items()})
            i += stop - row
        return {n: np.concatenate([p[n] for p in parts]) for n in parts[0]}

    def task_digest(self, split: str, count: int) -> str:
        """Return the sha256 of the first `count` tasks of `split`: equal digests, equal tasks."""
        sha256 = hashlib.sha256(self.data_digest().encode())
        for first in range(0, count, BLOCK):
            arrays = self.arrays(split, first, min(BLOCK, count - first))
            for name in sorted(arrays):
                a = np.ascontiguousarray(arrays[name])
                sha256.update(f"{name}{a.dtype.str}{a.shape}".encode())
                sha256.update(a.tobytes())
        return sha256.hexdigest()

    def _block(self, split: str, block: int) -> Arrays:
        key = (split, block)
        if key not in self._blocks:
            # Training walks through the blocks in order; two kept ones serve any straddling batch.
            while len(self._blocks) >= 4:
                self._blocks.pop(next(iter(self._blocks)))
            self._blocks[key] = self.draw_block(split, block)
        return self._blocks[key]
