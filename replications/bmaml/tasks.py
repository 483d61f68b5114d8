"""Finite sets of sinusoids with fixed points (Yoon et al. 2018, arXiv 1806.03836, section 5.1;
authors' `data_generator.py`): y = amplitude · sin(frequency · x - phase).

Training has a set of so many tasks, and each of them has the same 3 K points whenever it comes: K
to adapt to (`support`), K `further` ones that the leader or the meta-loss sees, K to be tested on
(`query`). A task's noise has a share of its amplitude as deviation; query points have none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from harness.errors import HarnessError
from harness.ranges import Range
from harness.switch_types import Examples, Number, Share
from harness.tasks.source import BLOCK, Arrays, TaskSource

LAW_STREAM, INPUT_STREAM, NOISE_STREAM, ORDER_STREAM = range(4)
CHUNKS = 3
"""Of K points: support, further, query."""


@dataclass(frozen=True)
class FiniteSinusoidSettings:
    """Switches of the sinusoids."""

    amplitude_min: Number
    amplitude_max: Number
    frequency_min: Number
    frequency_max: Number
    phase_min: Number
    phase_max: Number
    """Radians."""
    input_min: Number
    input_max: Number
    noise: Share
    """Deviation of the noise of support and further points, as a share of a task's amplitude."""
    shots: Examples
    """K, points in each of a task's three chunks."""
    train_tasks: Annotated[int, Range(1, 1_000_000)]
    """|T|: training tasks, the same ones throughout a run. Their set hangs on the run's seed; a
    smaller set is the beginning of a larger one."""
    drawn_together: Annotated[int, Range(1, 1_000_000)]
    """Training tasks that are drawn without replacement; those of one meta-batch."""

    def __post_init__(self) -> None:
        for name, least in vars(self).items():
            if name.endswith("_min") and least > (most := vars(self)[f"{name[:-4]}_max"]):
                raise HarnessError(
                    f"tasks.{name}: found {least}, wanted at most {name[:-4]}_max, {most}."
                )
        if self.drawn_together > self.train_tasks:
            raise HarnessError(
                f"tasks.drawn_together: found {self.drawn_together}, wanted at most "
                f"tasks.train_tasks, {self.train_tasks}."
            )


@dataclass(frozen=True)
class SinusoidBatch:
    """T tasks; all tensors [T, K, 1] in torch's default precision."""

    support_x: Tensor
    support_y: Tensor
    further_x: Tensor
    further_y: Tensor
    query_x: Tensor
    query_y: Tensor

    def __len__(self) -> int:
        return len(self.support_x)


class FiniteSinusoids(TaskSource):
    """Sinusoids: a fixed set for training, ever new ones for validation and test."""

    Settings = FiniteSinusoidSettings
    settings: FiniteSinusoidSettings

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        # Kept: most batches of training need rows of every block of the set.
        self._drawn: Callable[[str, int], Arrays] = cache(self._draw)

    @classmethod
    def batch_bytes(cls, settings: Any, split: str, count: int) -> int:
        """Return the bytes of inputs and values: of the batch, of a block, of the training set."""
        kept = int(settings.train_tasks) if split in ("train", "trainval") else 0
        return 8 * (2 * CHUNKS * int(settings.shots) + 3) * (count + 2 * BLOCK + kept)

    def draw_block(self, split: str, block: int) -> Arrays:
        """Draw `x` and `y` [BLOCK, 3, K] and `law` [BLOCK, 3], float64."""
        if split not in ("train", "trainval"):
            return self._draw(split, block)
        numbers = self._order(np.arange(block * BLOCK, (block + 1) * BLOCK))
        of_block, row = np.divmod(numbers, BLOCK)
        blocks = [self._drawn("train", b) for b in range(-(-self.settings.train_tasks // BLOCK))]
        return {name: np.stack([b[name] for b in blocks])[of_block, row] for name in blocks[0]}

    def _order(self, indices: np.ndarray) -> np.ndarray:
        """Return which tasks of the set the training tasks with consecutive `indices` are."""
        s = self.settings
        first, last = indices[0] // s.drawn_together, indices[-1] // s.drawn_together
        groups = [
            self.generator("train", int(group), ORDER_STREAM).choice(
                s.train_tasks, s.drawn_together, replace=False
            )
            for group in range(first, last + 1)
        ]
        numbers: np.ndarray = np.concatenate(groups)[indices - first * s.drawn_together]
        return numbers

    def _draw(self, split: str, block: int) -> Arrays:
        """Draw the tasks with the numbers of a block."""
        s = self.settings
        rng = self.generator(split, block, LAW_STREAM)
        law = np.stack(
            [
                rng.uniform(s.amplitude_min, s.amplitude_max, BLOCK),
                rng.uniform(s.frequency_min, s.frequency_max, BLOCK),
                rng.uniform(s.phase_min, s.phase_max, BLOCK),
            ],
            1,
        )
        shape = (BLOCK, CHUNKS, s.shots)
        x = self.generator(split, block, INPUT_STREAM).uniform(s.input_min, s.input_max, shape)
        noise = self.generator(split, block, NOISE_STREAM).standard_normal(shape)
        noise[:, -1] = 0
        return {"x": x, "y": sinusoids(law, x) + s.noise * law[:, :1, None] * noise, "law": law}

    def to_batch(self, arrays: Arrays) -> SinusoidBatch:
        """Lay tasks on the device."""
        kind = torch.get_default_dtype()
        x, y = (
            torch.from_numpy(np.ascontiguousarray(arrays[n])).to(self.device, kind).unsqueeze(-1)
            for n in ("x", "y")
        )
        chunks = zip(x.unbind(1), y.unbind(1), strict=True)
        return SinusoidBatch(*(tensor for chunk in chunks for tensor in chunk))


def sinusoids(law: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the values at x [T, ...] of tasks with `law` [T, 3]: amplitude, frequency, phase."""
    amplitude, frequency, phase = law.T.reshape(3, -1, *[1] * (x.ndim - 1))
    values: np.ndarray = amplitude * np.sin(frequency * x - phase)
    return values


TASK_SOURCES = {"finite-sinusoids": FiniteSinusoids}
