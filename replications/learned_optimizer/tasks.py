"""Quadratic problems f(x) = |W x - y|^2 of Andrychowicz et al. 2016 (1606.04474), section 3.1.

The paper's text says that W and y are Gaussian; the authors' code (`problems.py`) draws them
uniformly in [0, 1), and only that gives the scale of the paper's figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor

from harness.ranges import Range
from harness.switch_types import Penalty
from harness.tasks.source import BLOCK, Arrays, TaskSource


@dataclass(frozen=True)
class QuadraticSettings:
    """Switches of the quadratic problems."""

    dimension: Annotated[int, Range(1, 1024)]
    """D: W is D x D; x and y have D entries."""
    distribution: Literal["uniform", "gaussian"]
    """Of the entries of W and y, independent: uniform in [0, 1) or standard normal."""
    start_sd: Penalty
    """The starting point's entries are normal with mean 0 and this sd."""


@dataclass(frozen=True)
class QuadraticBatch:
    """T problems f(x) = |W x - y|^2 and where to start from."""

    matrix: Tensor
    """W, [T, D, D]."""
    target: Tensor
    """y, [T, D]."""
    start: Tensor
    """x at step 0, [T, D]."""

    def __len__(self) -> int:
        return self.matrix.shape[0]

    def losses_and_gradients(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return f [T] and its gradient [T, D] at the points x [T, D], each problem for itself."""
        residual = torch.bmm(self.matrix, x[..., None])[..., 0] - self.target
        gradient = torch.bmm(residual[:, None], self.matrix)[:, 0].mul_(2.0)
        return residual.square().sum(1), gradient


class Quadratics(TaskSource):
    """Random quadratics, float32."""

    Settings = QuadraticSettings
    settings: QuadraticSettings

    @classmethod
    def batch_bytes(cls, settings: Any, split: str, count: int) -> int:
        """Return the bytes of W: float32 of the batch, float64 of a block."""
        return int(settings.dimension) ** 2 * (4 * count + 8 * BLOCK)

    def draw_block(self, split: str, block: int) -> Arrays:
        """Draw W [BLOCK, D, D], y [BLOCK, D] and x0 [BLOCK, D] (float64)."""
        d = self.settings.dimension
        problem = self.generator(split, block, 0)
        draw = (
            problem.random if self.settings.distribution == "uniform" else problem.standard_normal
        )
        matrix, target = draw((BLOCK, d, d)), draw((BLOCK, d))
        # A stream of its own: the starting points are the same for both distributions.
        start = self.generator(split, block, 1).normal(0.0, self.settings.start_sd, (BLOCK, d))
        return {"matrix": matrix, "target": target, "start": start}

    def to_batch(self, arrays: Arrays) -> QuadraticBatch:
        """Lay problems on the device as float32."""
        laid = {
            name: torch.from_numpy(a.astype(np.float32)).to(self.device)
            for name, a in arrays.items()
        }
        return QuadraticBatch(**laid)


TASK_SOURCES = {"quadratics": Quadratics}
