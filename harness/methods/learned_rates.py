"""Methods that learn a start and the rates of its inner loop, both along the meta-gradient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from harness.meta_gradient.func import adapt
from harness.meta_gradient.problem import InnerLoop, Params, Problem, on_query, split
from harness.method import Method
from harness.models.over_tasks import over_tasks
from harness.tasks.batch import SupervisedBatch


class LearnedRates(Method):
    """Meta-trains a start, `params`, and inner rates of its tensors, `rates`, by one Adam.

    `build` of a subclass calls `begin`. A tensor of the start may have no rate of its own.
    """

    def begin(self, params: Params, rates: Params, learn_rates: bool, meta_rate: float) -> None:
        """Take start and rates, by the names of the start; rates not learned stay as they are."""
        self.params, self.rates = params, rates
        learned = [*params.values(), *(rates.values() if learn_rates else ())]
        self.optimiser: torch.optim.Optimizer = torch.optim.Adam(learned, lr=meta_rate)

    @torch.no_grad()
    def outputs_after_steps(
        self, problem: Problem, inner: InnerLoop, batch: SupervisedBatch
    ) -> Iterator[Tensor]:
        """Yield outputs [T, Q, …] for the query sets before adaptation and after each step of
        `inner`, with the learned rates. Batch norm sees the query set of a task whole
        (transductive)."""
        start, fixed = split({k: v.detach() for k, v in self.params.items()}, inner)
        shared = {k: v.expand(len(batch), *v.shape) for k, v in start.items()}
        x, y = batch.support_x, batch.support_y
        adapted = adapt(problem, start, fixed, x, y, inner, self.rates)
        outputs = over_tasks(lambda p, f, x: problem.outputs(p | f, x), batch.query_x, (0, None, 0))
        for k, current in enumerate([shared, *adapted]):
            yield outputs(current, on_query(fixed, inner, k), batch.query_x)

    def move(self, gradients: Params, rate_gradients: Params) -> None:
        """Take one Adam step along the meta-gradient by the start and that by the rates."""
        for name, parameter in self.params.items():
            parameter.grad = gradients[name]
        for name, rate in self.rates.items():
            rate.grad = rate_gradients[name]
        self.optimiser.step()

    def weights(self) -> dict[str, Tensor]:
        """Return the start and the rates; the names of the latter begin with `rate:`."""
        start = {k: v.detach() for k, v in self.params.items()}
        return start | {f"rate:{k}": v for k, v in self.rates.items()}

    @torch.no_grad()
    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Take start and rates, in place: Adam holds the same tensors."""
        for name, parameter in self.params.items():
            parameter.copy_(weights[name])
        for name, rate in self.rates.items():
            rate.copy_(weights[f"rate:{name}"])

    def training_state(self) -> dict[str, Any]:
        """Return Adam's state."""
        return self.optimiser.state_dict()

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take Adam's state."""
        self.optimiser.load_state_dict(state)
