"""The hand-made optimisers of the paper's figure, with a tuned learning rate.

Andrychowicz et al. 2016 (1606.04474), section 3: the rate with the best final error; all else as in
Torch7's `optim`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from harness.errors import HarnessError
from harness.method import Method
from harness.switch_types import Rates, StepsFromOne
from replications.learned_optimizer.tasks import QuadraticBatch


def metric_names(steps: int, report_every: int) -> tuple[str, ...]:
    """Name the loss before the first step, and after each `report_every` of `steps` steps."""
    return tuple(f"loss@{k}" for k in range(0, steps + 1, report_every))


def run_optimizer(
    batch: QuadraticBatch,
    update: Callable[[Tensor, Tensor], Tensor],
    steps: int,
    report_every: int,
) -> dict[str, Tensor]:
    """Take `steps` steps of x <- update(x [T, D], gradient [T, D]); return loss@k [T]."""
    x = batch.start.clone()
    reported = {}
    for k in range(steps + 1):
        losses, gradient = batch.losses_and_gradients(x)
        if k % report_every == 0:
            reported[f"loss@{k}"] = losses
        if k < steps:
            x = update(x, gradient)
    return reported


@dataclass(frozen=True)
class TunedSettings:
    """Switches of a hand-made optimiser whose learning rate is tuned."""

    optimizer: Literal["sgd", "nag", "adam", "rmsprop"]
    """Other parameters as in Torch7's `optim`, which the paper used: NAG momentum 0.9; Adam betas
    0.9, 0.999; RMSprop decay 0.99."""
    learning_rates: Rates
    """The grid, small to large: iteration i of the tuning tries entry i."""
    steps: StepsFromOne
    report_every: StepsFromOne
    """As for the LSTM optimiser."""


class TunedOptimizer(Method):
    """A hand-made optimiser. Training is a grid search for the learning rate with the lowest mean
    loss after the last step, every rate on the same problems."""

    Settings = TunedSettings
    settings: TunedSettings

    def build(self, tasks: Any) -> None:
        """Start with no rate known to be good; the last step must be one that is reported."""
        if self.settings.steps % (every := self.settings.report_every):
            raise HarnessError(
                f"method.report_every: found {every}, wanted a divisor of {self.settings.steps}, "
                "method.steps."
            )
        self.best_rate = torch.tensor(self.settings.learning_rates[0], dtype=torch.float64)
        self.best_loss = torch.tensor(math.inf, dtype=torch.float64)

    def first_task(self, iteration: int, meta_batch: int) -> int:
        """Stay on the same problems for the whole search."""
        return 0

    def train_step(self, batch: QuadraticBatch, iteration: int) -> Tensor:
        """Try one learning rate; return the best final loss so far (a rate that diverges is no
        failure of the search)."""
        rates = self.settings.learning_rates
        if iteration >= len(rates):
            raise HarnessError(
                f"training.iterations: found more than {iteration}; wanted {len(rates)}, the "
                f"number of method.learning_rates."
            )
        final = self.losses(batch, rates[iteration])[f"loss@{self.settings.steps}"]
        loss = final.mean().double().cpu()
        if loss < self.best_loss:  # false for NaN
            self.best_loss = loss
            self.best_rate = torch.tensor(rates[iteration], dtype=torch.float64)
        return self.best_loss

    def losses(self, batch: QuadraticBatch, rate: float) -> dict[str, Tensor]:
        """Run the optimiser with this learning rate: `loss@k` -> [T]."""
        point = torch.empty_like(batch.start)
        kind = self.settings.optimizer
        # All of these act coordinate by coordinate, so one optimiser serves all problems at once.
        optimizer: torch.optim.Optimizer
        if kind == "adam":
            optimizer = torch.optim.Adam([point], lr=rate)
        elif kind == "rmsprop":
            optimizer = torch.optim.RMSprop([point], lr=rate, alpha=0.99)
        elif kind == "nag":
            optimizer = torch.optim.SGD([point], lr=rate, momentum=0.9, nesterov=True)
        else:
            optimizer = torch.optim.SGD([point], lr=rate)

        def update(x: Tensor, gradient: Tensor) -> Tensor:
            point.copy_(x)
            point.grad = gradient
            optimizer.step()
            return point

        return run_optimizer(batch, update, self.settings.steps, self.settings.report_every)

    def evaluate(self, batch: QuadraticBatch) -> dict[str, Tensor]:
        """Run the optimiser with the best learning rate found: `loss@k` -> [T]."""
        return self.losses(batch, float(self.best_rate))

    def weights(self) -> dict[str, Tensor]:
        """Return the learning rate and the final loss it had in the search."""
        return {"learning_rate": self.best_rate, "search_loss": self.best_loss}

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Take what `weights()` gave."""
        self.best_rate, self.best_loss = weights["learning_rate"], weights["search_loss"]

    def training_state(self) -> dict[str, Any]:
        """Nothing: the search's state is in its weights."""
        return {}

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take what `training_state()` gave."""

    @classmethod
    def metrics(cls, settings: TunedSettings) -> tuple[str, ...]:
        """Name what `evaluate` gives."""
        return metric_names(settings.steps, settings.report_every)
