"""The prediction that knows nothing: 0 everywhere. No learner, and no published row.

Sinusoids are as often above 0 as below: no prediction that is the same for all tasks and inputs is
better, and expected is half the mean squared amplitude, (5² + 5 · 0.1 + 0.1²) / 6 = 4.25.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from harness.methods.untrained import Untrained
from replications.bmaml.tasks import SinusoidBatch


@dataclass(frozen=True)
class ZeroSettings:
    """It has no switches."""


class Zero(Untrained):
    """Predicts 0. Adaptation does not change it: its error stands under the name of that after one
    step, with which it is compared."""

    Settings = ZeroSettings

    def evaluate(self, batch: SinusoidBatch) -> dict[str, Tensor]:
        """Return the mean squared value of the query points of each task."""
        return {"mse@1": batch.query_y.square().mean((1, 2))}

    def train_step(self, batch: SinusoidBatch, iteration: int) -> Tensor:
        """Return the mean squared error, which nothing lowers."""
        return batch.query_y.square().mean()

    @classmethod
    def metrics(cls, settings: Any) -> tuple[str, ...]:
        """Name the metric of `evaluate`."""
        return ("mse@1",)
