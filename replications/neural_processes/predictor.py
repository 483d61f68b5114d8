"""What every method here is asked for: a Gaussian at each target, scored by its density."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor

from harness.errors import HarnessError
from harness.method import Method
from harness.ranges import Entries, Range
from harness.switch_types import ShareAboveZero
from replications.neural_processes.networks import Gaussian
from replications.neural_processes.tasks import Context, FunctionBatch

Counts = Annotated[tuple[Annotated[int, Range(0, 4096)], ...], Entries(0, 64)]
FAR = 2.0
"""Deviations beyond which a target counts as `outside`; of a Gaussian that is right, 4.55 %."""


def log_density(y: Tensor, prediction: Gaussian) -> Tensor:
    """Return ln p of values y [T, n] under independent Gaussians, summed over targets: [..., T]."""
    mean, deviation = prediction
    squares = ((y - mean) / deviation).square()
    return -(0.5 * squares + deviation.log() + 0.5 * math.log(2 * math.pi)).sum(-1)


@dataclass(frozen=True)
class Prediction:
    """Switches of all methods here."""

    least_deviation: ShareAboveZero
    """No prediction has a smaller standard deviation."""
    report_contexts: Counts
    """`log_likelihood@k` is reported for these numbers k of context points, beside that of the
    task's own number."""


class Predictor(Method):
    """Scores tasks by the density of all their targets."""

    test_only = frozenset({"report_contexts"})
    settings: Any

    def build(self, tasks: Any) -> None:
        """Check that functions have as many points as contexts are asked for."""
        points, most = tasks.settings.points, max(self.settings.report_contexts, default=0)
        if most > points:
            raise HarnessError(
                f"method.report_contexts: found {most}, wanted at most tasks.points, {points}."
            )

    @abc.abstractmethod
    def predict(self, batch: FunctionBatch, context: Context) -> Gaussian:
        """Return mean and deviation at all points, [T, n] or, of samples, [S, T, n]."""

    def score(self, batch: FunctionBatch, context: Context) -> dict[str, Tensor]:
        """Return the `log_likelihood` [T] of the targets (sum, nats) and the percentage `outside`
        [T]."""
        mean, deviation = self.predict(batch, context)
        outside = ((batch.y - mean).abs() > FAR * deviation).double().mean(-1)
        log_p = log_density(batch.y, (mean, deviation))
        return {"log_likelihood": log_p, "outside": 100 * outside}

    @torch.no_grad()
    def evaluate(self, batch: FunctionBatch) -> dict[str, Tensor]:
        """Score T tasks with their own context, and with each of `report_contexts`."""
        scores = self.score(batch, batch.context())
        for count in self.settings.report_contexts:
            there = self.score(batch, batch.context(count))
            scores[f"log_likelihood@{count}"] = there["log_likelihood"]
        return scores

    @classmethod
    def metrics(cls, settings: Any) -> tuple[str, ...]:
        """Name the metrics of `evaluate`."""
        counts = (f"log_likelihood@{count}" for count in settings.report_contexts)
        return ("log_likelihood", "outside", *counts)
