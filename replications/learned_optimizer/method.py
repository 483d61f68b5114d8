"""Learning to learn by gradient descent by gradient descent (Andrychowicz et al. 2016, 1606.04474).

An LSTM reads the gradient of a problem, coordinate by coordinate, and gives the update. It is
trained so that the sum of the losses along its own path is small. Beside it: the hand-made
optimisers of the paper's figure, with a tuned learning rate.

A method here uses only three things of its T problems: `len()`, the starting points `start` [T, D]
and `losses_and_gradients(x)`: see `replications.learned_optimizer.tasks.QuadraticBatch`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from harness.errors import HarnessError
from harness.method import Method
from harness.ranges import Range
from harness.switch_types import Iterations, Rate, StepsFromOne, Widths
from replications.learned_optimizer.lstm import CoordinatewiseLSTM, State, Unroll
from replications.learned_optimizer.tasks import QuadraticBatch
from replications.learned_optimizer.tuned import TunedOptimizer, metric_names, run_optimizer


@dataclass(frozen=True)
class LearnedSettings:
    """Switches of the LSTM optimiser and of its training."""

    units: Widths
    """LSTM units of each layer. Paper, section 3: two layers of 20."""
    steps: StepsFromOne
    """Optimisation steps on each problem (an epoch)."""
    unroll: StepsFromOne
    """Steps between two meta-updates; the state is carried from one to the next, and so is x."""
    gradient_divisor: Annotated[int, Range(1, 1_000_000)]
    """The LSTM reads the gradient of a problem's own loss over this number: 1 = the paper's text;
    128 = the authors' code, whose loss is the mean over 128 problems. The same number at test."""
    learning_rate: Rate
    """Of Adam, which trains the LSTM."""
    schedule: Literal["constant", "cosine"]
    """Cosine: learning rate times (1 + cos(pi i / schedule_iterations)) / 2 at iteration i."""
    schedule_iterations: Iterations
    """Iterations until the cosine is at zero; not read where the schedule is constant."""
    report_every: StepsFromOne
    """`loss@k` is reported for k = 0 and each multiple of this, up to `steps`."""


class LearnedOptimizer(Method):
    """The LSTM optimiser. One iteration is one unroll; `steps / unroll` iterations are an epoch on
    one batch of problems, x and the LSTM's state being carried from one to the next."""

    Settings = LearnedSettings
    settings: LearnedSettings

    def build(self, tasks: Any) -> None:
        """Start the LSTM."""
        s = self.settings
        if s.steps % s.unroll:
            raise HarnessError(f"method.unroll: found {s.unroll}; wanted a divisor of {s.steps}.")
        self.network = CoordinatewiseLSTM(s.units, self.generator)
        self._place(device=self.device)
        self.unrolls_per_epoch = s.steps // s.unroll
        self.x, self.state = torch.empty(0), self.network.zero_state(0)  # set by each epoch

    def _place(self, **where: Any) -> None:
        """Set device or dtype; Adam starts anew."""
        self.network.weights = {k: w.to(**where) for k, w in self.network.weights.items()}
        self.adam = torch.optim.Adam(self.network.weights.values(), lr=self.settings.learning_rate)
        self._unrolls: dict[tuple[int, int], Unroll] = {}

    def _unroll(self, steps: int, rows: int) -> Unroll:
        key = (steps, rows)
        if key not in self._unrolls:
            self._unrolls[key] = Unroll(self.network, steps, rows)
        return self._unrolls[key]

    def first_task(self, iteration: int, meta_batch: int) -> int:
        """Stay on the same problems for an epoch."""
        return iteration // self.unrolls_per_epoch * meta_batch

    def train_step(self, batch: QuadraticBatch, iteration: int) -> Tensor:
        """Unroll, take one meta-step, and carry on from where the unroll ended.

        The training loss is the mean loss over the unroll's points."""
        s = self.settings
        if iteration % self.unrolls_per_epoch == 0:
            self.x, self.state = batch.start, self.network.zero_state(batch.start.numel())
        loss, gradients, self.x, self.state = self.meta_gradient(batch, self.x, self.state)
        if s.schedule == "cosine":
            done = min(iteration / s.schedule_iterations, 1.0)
            self.adam.param_groups[0]["lr"] = s.learning_rate * (1 + math.cos(math.pi * done)) / 2
        for w, g in zip(self.network.weights.values(), gradients, strict=True):
            w.grad = g
        self.adam.step()
        return loss / (s.unroll + 1)

    @torch.no_grad()
    def meta_gradient(
        self, problems: QuadraticBatch, x: Tensor, state: State
    ) -> tuple[Tensor, list[Tensor], Tensor, State]:
        """Return (L, dL/dweights, x and state after the unroll) for L = sum over the unroll's
        points, its last one too, of the mean loss over problems; x [T, D].

        As in the paper, the gradients that the LSTM reads count as constants. Then the weights act
        on L through the updates u_t alone, and x_s = x_0 + u_0 + … + u_(s-1), so
        dL/du_t = sum over s > t of grad f(x_s): numbers that the forward pass has anyway."""
        s = self.settings
        unroll = self._unroll(s.unroll, x.numel())
        unroll.start(state)
        loss = x.new_zeros(())
        d_updates = x.new_empty(s.unroll, x.numel())
        for t in range(s.unroll + 1):
            losses, gradient = problems.losses_and_gradients(x)
            loss += losses.mean()
            if t > 0:
                d_updates[t - 1] = gradient.reshape(-1)
            if t < s.unroll:
                update = unroll.step(t, gradient.reshape(-1) / s.gradient_divisor)
                x = x + update.view_as(x)
        d_updates = d_updates.flip(0).cumsum(0).flip(0) / len(problems)
        return loss, unroll.backward(d_updates), x, unroll.state()

    @torch.no_grad()
    def evaluate(self, batch: QuadraticBatch) -> dict[str, Tensor]:
        """Run the LSTM optimiser from the start: `loss@k` -> [T]."""
        s = self.settings
        one = self._unroll(1, batch.start.numel())
        one.start(self.network.zero_state(batch.start.numel()))

        def update(x: Tensor, gradient: Tensor) -> Tensor:
            change = one.step(0, gradient.reshape(-1) / s.gradient_divisor)
            one.start(one.state())
            return x + change.view_as(x)

        return run_optimizer(batch, update, s.steps, s.report_every)

    def weights(self) -> dict[str, Tensor]:
        """Return the LSTM's matrices (copies: training goes on in place)."""
        return {name: w.clone() for name, w in self.network.weights.items()}

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Take the LSTM's matrices (copied in place: Adam and the buffers hold the same ones)."""
        for name, w in self.network.weights.items():
            w.copy_(weights[name])

    def training_state(self) -> dict[str, Any]:
        """Return Adam's state and what is carried within an epoch."""
        return {
            "adam": self.adam.state_dict(),
            "x": self.x,
            "state": [list(layer) for layer in self.state],
        }

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take what `training_state()` gave."""
        self.adam.load_state_dict(state["adam"])
        self.x = state["x"].to(self.device)
        self.state = [(h.to(self.device), c.to(self.device)) for h, c in state["state"]]

    @classmethod
    def metrics(cls, settings: LearnedSettings) -> tuple[str, ...]:
        """Name what `evaluate` gives."""
        return metric_names(settings.steps, settings.report_every)


ALGORITHMS: dict[str, type[Method]] = {"lstm": LearnedOptimizer, "tuned": TunedOptimizer}
