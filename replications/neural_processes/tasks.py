"""Functions drawn from Gaussian processes, in one dimension.

Neural Process Family (Dubois, Gordon & Foong 2020), `utils/data/gaussian_process.py` and
`npf/utils/datasplit.py`: a task is a function at 128 random inputs. A few of the points, drawn at
random, are the context; all of them are targets, the context too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from harness.errors import HarnessError
from harness.ranges import Range
from harness.switch_types import Factor, Number, Penalty
from harness.tasks.source import BLOCK, Arrays, TaskSource
from replications.neural_processes.kernels import Covariance, Kernel
from replications.neural_processes.ranged import RangedFunctions

INPUT_STREAM, VALUE_STREAM, ORDER_STREAM, COUNT_STREAM = range(4)
Share = Annotated[int, Range(1, BLOCK)]
"""A number of tasks that divides a block."""


@dataclass(frozen=True)
class FunctionSettings:
    """Switches of the functions."""

    kernel: Kernel
    length: Factor
    """Length scale, in the units of the inputs; of the periodic kernel, in its own."""
    period: Factor
    """Of the periodic kernel; not read elsewhere."""
    noise: Penalty
    """Variance of white noise on each value."""
    points: Annotated[int, Range(2, 4096)]
    """Inputs of a function, all of them targets."""
    input_min: Number
    input_max: Number
    """Inputs are uniform between these; networks see them scaled to [-1, 1]."""
    context_min: Annotated[int, Range(0, 4096)]
    context_max: Annotated[int, Range(0, 4096)]
    """The number of context points is uniform between these, both ends allowed."""
    inputs_shared_by: Share
    """So many functions have the same inputs; no two of them stand within
    256 / inputs_shared_by of each other."""
    count_shared_by: Share
    """So many functions in a row have as many context points, in training."""
    test_count_shared_by: Share
    """The same in validation and test."""

    def __post_init__(self) -> None:
        if self.input_min >= self.input_max:
            raise HarnessError(
                f"tasks.input_min: found {self.input_min}, wanted less than input_max, "
                f"{self.input_max}."
            )
        if not self.context_min <= self.context_max <= self.points:
            raise HarnessError(
                f"tasks.context_max: found {self.context_max}, wanted context_min, "
                f"{self.context_min}, up to points, {self.points}."
            )
        for name in ("inputs_shared_by", "count_shared_by", "test_count_shared_by"):
            if BLOCK % getattr(self, name):
                raise HarnessError(
                    f"tasks.{name}: found {getattr(self, name)}, wanted a divisor of {BLOCK}."
                )

    def covariance(self) -> Covariance:
        """Return the covariance of the functions."""
        return Covariance(self.kernel, self.length, self.period, self.noise)


@dataclass(frozen=True)
class FunctionBatch:
    """T functions at n points, float64. `x` [T, n] inputs, ascending; `scaled` [T, n] the same
    in [-1, 1]; `y` [T, n] values; `order` [T, n] int64 a random order of the points, of which the
    first `counts` [T] int64 are the context; `first` [T, C] the first C of the order, C being the
    greatest count, but 1 at least."""

    x: Tensor
    scaled: Tensor
    y: Tensor
    order: Tensor
    counts: Tensor
    first: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def context(self, count: int | None = None) -> Context:
        """Return the context sets: of the task's own size, or of `count` points each."""
        if count is None:
            index, counts = self.first, self.counts
        else:
            index, counts = self.order[:, : max(1, count)], torch.full_like(self.counts, count)
        rank = torch.arange(index.shape[1], device=index.device)
        return Context(index, rank < counts.unsqueeze(1))


@dataclass(frozen=True)
class Context:
    """Which points are known: `index` [T, C] int64 into the points, `present` [T, C] bool."""

    index: Tensor
    present: Tensor

    def of(self, values: Tensor) -> Tensor:
        """Return what `values` [T, n] or [T, n, D] have at the context points, absent ones too."""
        if values.dim() == 2:
            return values.gather(1, self.index)
        tasks, points, size = values.shape
        first = points * torch.arange(tasks, device=values.device).unsqueeze(1)
        rows = values.reshape(-1, size).index_select(0, (self.index + first).flatten())
        return rows.view(tasks, -1, size)

    def empty(self) -> Tensor:
        """Return which tasks have no context at all, [T] bool."""
        return ~self.present.any(1)


class Functions(TaskSource):
    """Functions of a Gaussian process with mean 0."""

    Settings = FunctionSettings
    test_only = frozenset({"test_count_shared_by"})
    settings: FunctionSettings

    @classmethod
    def batch_bytes(cls, settings: Any, split: str, count: int) -> int:
        """Return the bytes of points, values and order of the batch and a block, and of the
        covariances of a block."""
        points = int(settings.points)
        sets = BLOCK // int(settings.inputs_shared_by)
        return 8 * points * 4 * (count + BLOCK) + 3 * 8 * sets * points**2

    def draw_block(self, split: str, block: int) -> Arrays:
        """Draw `x`, `y` [BLOCK, n] float64, `order` [BLOCK, n] and `counts` [BLOCK]."""
        s = self.settings
        sets = BLOCK // s.inputs_shared_by
        x = self.generator(split, block, INPUT_STREAM).uniform(
            s.input_min, s.input_max, (sets, s.points)
        )
        x.sort(axis=1)
        normals = self.generator(split, block, VALUE_STREAM).standard_normal(
            (s.inputs_shared_by, sets, s.points)
        )
        factor = torch.linalg.cholesky(s.covariance().at(torch.from_numpy(x)))
        y = torch.einsum("sij,fsj->fsi", factor, torch.from_numpy(normals)).numpy()
        order = self.generator(split, block, ORDER_STREAM).random((BLOCK, s.points)).argsort(axis=1)
        shared = s.count_shared_by if split in ("train", "trainval") else s.test_count_shared_by
        counts = self.generator(split, block, COUNT_STREAM).integers(
            s.context_min, s.context_max, size=BLOCK // shared, endpoint=True
        )
        return {
            "x": np.tile(x, (s.inputs_shared_by, 1)),
            "y": y.reshape(BLOCK, s.points),
            "order": order,
            "counts": counts.repeat(shared),
        }

    def to_batch(self, arrays: Arrays) -> FunctionBatch:
        """Lay functions on the device."""
        s = self.settings
        x, y, order, counts = (
            torch.from_numpy(np.ascontiguousarray(arrays[n])).to(self.device)
            for n in ("x", "y", "order", "counts")
        )
        scaled = (x - s.input_min) * (2 / (s.input_max - s.input_min)) - 1
        # Without any context one column is left, of an absent point: encoders then get a gradient
        # of zeros, not none at all.
        first = order[:, : max(1, int(arrays["counts"].max()))]
        return FunctionBatch(x, scaled, y, order, counts, first)


TASK_SOURCES = {"gaussian-process": Functions, "gaussian-process-ranges": RangedFunctions}
