"""Methods that score a query image as the class with the largest output."""

from __future__ import annotations

import abc

import torch
from torch import Tensor

from harness.method import Method
from harness.methods.class_scores import percent_right
from harness.tasks.batch import SupervisedBatch


class ClassOutputs(Method):
    """Gives outputs before any softmax, so that those of several weights can be averaged."""

    @abc.abstractmethod
    def outputs(self, batch: SupervisedBatch) -> dict[str, Tensor]:
        """Adapt to each of the T tasks: metric name -> outputs [T, Q, ways] for its query set."""

    def for_ensemble(self) -> ClassOutputs | None:
        """Return this method, unless it chooses or estimates something beside its weights."""
        by_weights = type(self).finalise is Method.finalise and not self.calibration_tasks
        return self if by_weights else None

    @torch.no_grad()
    def evaluate(self, batch: SupervisedBatch) -> dict[str, Tensor]:
        """Score each of the T tasks: metric name -> accuracies [T] in percent."""
        return accuracies(self.outputs(batch), batch.query_y)


def accuracies(outputs: dict[str, Tensor], query_y: Tensor) -> dict[str, Tensor]:
    """Return the accuracies [T] in percent of outputs [T, Q, ways] for classes [T, Q], by name."""
    return {name: percent_right(scores, query_y) for name, scores in outputs.items()}
