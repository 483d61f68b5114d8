"""Functions of Gaussian processes whose length and scale are drawn anew for each function.

The protocol of bootstrapping and of transformer neural processes (Lee et al. 2020, arXiv
2008.02956; Nguyen & Grover 2022, arXiv 2207.04179): `regression/data/gp.py` of
github.com/juho-lee/bnp. Training sees one kernel, the test may have another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from harness.errors import HarnessError
from harness.ranges import Range
from harness.switch_types import Factor, Number, Penalty
from harness.tasks.source import BLOCK, Arrays, TaskSource
from replications.neural_processes.kernels import JITTER

Kernel = Literal["rbf", "matern-5/2", "periodic"]
KERNELS = get_args(Kernel)
KERNEL_STREAM, INPUT_STREAM, VALUE_STREAM, COUNT_STREAM = range(4)
Share = Annotated[int, Range(1, BLOCK)]


@dataclass(frozen=True)
class RangedSettings:
    """Switches of the functions. What has two ends is uniform between them."""

    kernel: Kernel
    """Of training and validation."""
    test_kernel: Kernel
    length_min: Factor
    length_max: Factor
    scale_min: Factor
    scale_max: Factor
    """Of the values: their standard deviation without noise."""
    period_min: Factor
    period_max: Factor
    """Of the periodic kernel."""
    noise_sd: Penalty
    """Standard deviation of white noise on each value, context and target."""
    input_min: Number
    input_max: Number
    context_min: Annotated[int, Range(1, 4096)]
    context_max: Annotated[int, Range(1, 4096)]
    targets_min: Annotated[int, Range(1, 4096)]
    points_max: Annotated[int, Range(2, 4096)]
    """Targets beside the context: from `targets_min` to this less the context."""
    count_shared_by: Share
    """So many functions in a row have as many points, in training."""
    test_count_shared_by: Share
    """The same in validation and test."""

    def __post_init__(self) -> None:
        for name in ("length", "scale", "period", "input", "context"):
            low, high = getattr(self, f"{name}_min"), getattr(self, f"{name}_max")
            if low > high:
                raise HarnessError(
                    f"tasks.{name}_min: found {low}, wanted at most {name}_max, {high}."
                )
        if self.context_max + self.targets_min > self.points_max:
            raise HarnessError(
                f"tasks.points_max: found {self.points_max}, wanted context_max and targets_min, "
                f"{self.context_max + self.targets_min}, or more."
            )
        for name in ("count_shared_by", "test_count_shared_by"):
            if BLOCK % getattr(self, name):
                raise HarnessError(
                    f"tasks.{name}: found {getattr(self, name)}, wanted a divisor of {BLOCK}."
                )


def correlation(kernel: Kernel, distance: Tensor, length: Tensor, period: Tensor) -> Tensor:
    """Return the correlation of values without noise at signed distances, all broadcast."""
    if kernel == "rbf":
        return torch.exp(-0.5 * (distance / length) ** 2)
    if kernel == "periodic":
        return torch.exp(-2 * (torch.sin(math.pi * distance / period) / length) ** 2)
    d = math.sqrt(5) * distance.abs() / length
    return (1 + d + d**2 / 3) * torch.exp(-d)


@dataclass(frozen=True)
class RangedCovariance:
    """Covariances of T functions. `kernel` [T] int64 into `KERNELS`; `length`, `scale`, `period`
    [T] float64; `noise` the variance of white noise, part of each value."""

    kernel: Tensor
    length: Tensor
    scale: Tensor
    period: Tensor
    noise: float

    def between(self, one: Tensor, other: Tensor) -> Tensor:
        """Return the covariances of functions without noise at `one` [T, n] and `other` [T, m]."""
        length, period, which = (a[:, None, None] for a in (self.length, self.period, self.kernel))
        distance = one.unsqueeze(-1) - other.unsqueeze(-2)
        every = [correlation(kernel, distance, length, period) for kernel in KERNELS]
        own = torch.where(which == 0, every[0], torch.where(which == 1, every[1], every[2]))
        return self.prior()[:, :, None] * own

    def prior(self) -> Tensor:
        """Return the variances of values without noise, [T, 1]."""
        return self.scale.square()[:, None]

    def at(self, points: Tensor) -> Tensor:
        """Return the covariance of values, noise with them, at distinct `points` [T, n]."""
        extra = (self.noise + JITTER) * torch.eye(points.shape[-1], dtype=points.dtype)
        return self.between(points, points) + extra.to(points.device)


@dataclass(frozen=True)
class RangedBatch:
    """T functions at P points, float64. `x`, `y` [T, P]: the first `contexts` [T] int64 points are
    the context, the targets stand behind it, up to `points` [T] int64; the rest plays no part.
    `kernel` [T] int64, `length`, `scale`, `period` [T]: what the functions were drawn with."""

    x: Tensor
    y: Tensor
    contexts: Tensor
    points: Tensor
    kernel: Tensor
    length: Tensor
    scale: Tensor
    period: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def masks(self) -> tuple[Tensor, Tensor]:
        """Return which points are context and which are targets, [T, P] bool each."""
        rank = torch.arange(self.x.shape[1], device=self.x.device)
        context = rank < self.contexts[:, None]
        return context, (rank < self.points[:, None]) & ~context


class RangedFunctions(TaskSource):
    """Functions of a kernel with random length and scale."""

    Settings = RangedSettings
    test_only = frozenset({"test_kernel", "test_count_shared_by"})
    settings: RangedSettings

    @classmethod
    def batch_bytes(cls, settings: Any, split: str, count: int) -> int:
        """Return the bytes of points and values of the batch and a block, and of covariances."""
        points = int(settings.points_max)
        return 8 * points * 2 * (count + BLOCK) + 6 * 8 * BLOCK * points**2

    def draw_block(self, split: str, block: int) -> Arrays:
        """Draw what a `RangedBatch` has, for BLOCK functions."""
        s = self.settings
        rng = self.generator(split, block, KERNEL_STREAM)
        ranges = [(s.length_min, s.length_max), (s.scale_min, s.scale_max)]
        ranges.append((s.period_min, s.period_max))
        length, scale, period = (torch.from_numpy(rng.uniform(*r, BLOCK)) for r in ranges)
        kernel = s.test_kernel if split == "test" else s.kernel
        bounds = (s.input_min, s.input_max, (BLOCK, s.points_max))
        x = torch.from_numpy(self.generator(split, block, INPUT_STREAM).uniform(*bounds))
        distance = x.unsqueeze(-1) - x.unsqueeze(-2)
        covariance = correlation(kernel, distance, length[:, None, None], period[:, None, None])
        covariance.mul_(scale.square()[:, None, None]).diagonal(dim1=1, dim2=2).add_(s.noise_sd**2)
        normals = self.generator(split, block, VALUE_STREAM).standard_normal(x.shape)
        # Noise or not, a factor needs a little more than nothing on the diagonal.
        covariance.diagonal(dim1=1, dim2=2).add_(JITTER)
        factor = torch.linalg.cholesky(covariance)
        y = (factor @ torch.from_numpy(normals).unsqueeze(-1))[..., 0]
        shared = s.count_shared_by if split in ("train", "trainval") else s.test_count_shared_by
        counts = self.generator(split, block, COUNT_STREAM)
        contexts = counts.integers(
            s.context_min, s.context_max, size=BLOCK // shared, endpoint=True
        )
        targets = counts.integers(s.targets_min, s.points_max - contexts, endpoint=True)
        tensors = {"x": x, "y": y, "length": length, "scale": scale, "period": period}
        return {name: tensor.numpy() for name, tensor in tensors.items()} | {
            "kernel": np.full(BLOCK, KERNELS.index(kernel)),
            "contexts": contexts.repeat(shared),
            "points": (contexts + targets).repeat(shared),
        }

    def to_batch(self, arrays: Arrays) -> RangedBatch:
        """Lay functions on the device."""
        laid = {n: torch.from_numpy(np.ascontiguousarray(a)) for n, a in arrays.items()}
        return RangedBatch(**{n: a.to(self.device) for n, a in laid.items()})
