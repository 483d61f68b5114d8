"""Several trained weights of one method, tested as one: their outputs are averaged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import torch
from torch import Tensor

from harness.errors import HarnessError
from harness.method import Method
from harness.methods.class_outputs import ClassOutputs, accuracies
from harness.tasks.batch import SupervisedBatch

Weights = dict[str, Tensor]


class Ensemble(Method):
    """Averages the outputs of `members`, weights by the iteration that they are of.

    The average is that of the outputs before any softmax (Antoniou et al. 2019, authors'
    `experiment_builder.py`, `evaluated_test_set_using_the_best_models`). Members are taken in the
    order of their iterations, so that kept weights give the same bits again.
    """

    def __init__(self, method: Method, members: Mapping[int, Weights]) -> None:
        """Take a method and what its `load_weights` takes. Raises HarnessError for a method
        without outputs to average, or which needs more than its weights for a test."""
        self.method = check_outputs(method)
        self.members = dict(sorted(members.items()))
        self.settings, self.device, self.engine = method.settings, method.device, method.engine

    def weights(self) -> Weights:
        """Return the weights of all members; those of iteration 500 are called `500:...`."""
        return {f"{i}:{k}": v for i, member in self.members.items() for k, v in member.items()}

    def load_weights(self, weights: Weights) -> None:
        """Take the weights of as many members, of whichever iterations."""
        self.members = {
            i: {k: weights[f"{i}:{k}"] for k in self.method.weights()} for i in iterations(weights)
        }

    @torch.no_grad()
    def evaluate(self, batch: SupervisedBatch) -> dict[str, Tensor]:
        """Score each of the T tasks by the averages: metric name -> accuracies [T] in percent."""
        outputs = []
        for member in self.members.values():
            self.method.load_weights(member)
            outputs.append(self.method.outputs(batch))
        means = {name: torch.stack([one[name] for one in outputs]).mean(0) for name in outputs[0]}
        return accuracies(means, batch.query_y)

    def build(self, tasks: Any) -> None:
        """Do nothing: its method is built."""

    def train_step(self, batch: Any, iteration: int) -> NoReturn:
        """Refuse: its members are trained."""
        raise NotImplementedError

    def training_note(self) -> str:
        """Return what its method says of the training that all members are of."""
        return self.method.training_note()

    def training_state(self) -> NoReturn:
        """Refuse: its members are trained."""
        raise NotImplementedError

    def load_training_state(self, state: dict[str, Any]) -> NoReturn:
        """Refuse: its members are trained."""
        raise NotImplementedError


def iterations(names: Iterable[str]) -> list[int]:
    """Return the iterations that names of an ensemble's weights are of, the first one first."""
    before_colon = {name.partition(":")[0] for name in names if ":" in name}
    return sorted(int(i) for i in before_colon if i.isascii() and i.isdecimal() and len(i) < 20)


def check_outputs(method: Method) -> ClassOutputs:
    """Return a method whose outputs can be averaged; HarnessError for any other."""
    averaged = method.for_ensemble()
    if averaged is None:
        raise HarnessError(
            f"training.selection: found an ensemble, but {type(method).__name__} gives no outputs "
            "of classes to average from its weights alone; wanted last, best-validation or "
            "best-validation-then-retrain."
        )
    return averaged
