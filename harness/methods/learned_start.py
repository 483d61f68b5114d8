"""Methods that learn a start for gradient steps: the outer loop of MAML (Finn et al. 2017)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from harness.errors import HarnessError
from harness.meta_gradient.engines import engine
from harness.meta_gradient.func import adapt
from harness.meta_gradient.outer import Outer
from harness.meta_gradient.problem import InnerLoop, Params, Problem, split
from harness.method import Method
from harness.models.batch_statistics import BatchStatistics, norms
from harness.models.over_tasks import over_tasks
from harness.models.query_statistics import (
    Outputs,
    RunningStatistics,
    WholeTestStatistics,
    query_outputs,
)
from harness.tasks.batch import SupervisedBatch

AS_IT_IS = Outer("mean", 0, 0)
RUNNING_TASKS = 256
"""Training tasks that running statistics are estimated on."""


class LearnedStart(Method):
    """Meta-trains the parameters that an inner loop starts from by Adam on the meta-gradient.

    `build` of a subclass makes the model and calls `begin`.
    """

    capturable = True

    def begin(
        self,
        problem: Problem,
        meta_rate: float,
        inner: InnerLoop,
        test_inner: InnerLoop,
        outer: Outer = AS_IT_IS,
    ) -> None:
        """Take the problem, whose model's parameters are the start, and both inner loops."""
        self.problem, self.inner, self.test_inner, self.outer = problem, inner, test_inner, outer
        self.model = problem.model
        self.running = RunningStatistics(self.model)
        self.params: Params = dict(self.model.named_parameters())
        self.optimiser = torch.optim.Adam(
            self.params.values(), lr=meta_rate, fused=True, capturable=self.device.type != "cpu"
        )

    def train_step(self, batch: SupervisedBatch, iteration: int) -> Tensor:
        """Take one Adam step along the meta-gradient of a meta-batch."""
        meta_gradient = engine(self.engine)(self.problem, self.params, batch, self.inner)
        meta_gradient = self.outer(meta_gradient, len(batch))
        for name, parameter in self.params.items():
            parameter.grad = meta_gradient.gradients[name]
        self.optimiser.step()
        return meta_gradient.loss

    def calibrate_for(self, how: WholeTestStatistics) -> None:
        """Ask for training tasks before the test, if it needs running statistics."""
        # Without batch norm there are none, and there is nothing to estimate.
        if how in ("running", "running-queries") and norms(self.model):
            self.calibration_tasks = RUNNING_TASKS

    @torch.no_grad()
    def check_alone(self, how: WholeTestStatistics, tasks: Any) -> None:
        """Refuse to score query examples one at a time where a batch norm cannot take one alone,
        as those after a dense layer cannot: before training, not after it."""
        if how != "one-at-a-time" or not norms(self.model):
            return
        one = tasks.batch("train", 0, 1).support_x[0, :1].to(self.device)
        try:
            self.model(one)
        except HarnessError:
            raise HarnessError(
                f"method.test_batch_norm: found {how!r}, wanted another, as a batch norm of this "
                "network has one value of each channel of a single example; try --set "
                "method.test_batch_norm=support-plus-one."
            ) from None

    @torch.no_grad()
    def calibrate(self, batch: SupervisedBatch) -> None:
        """Add the forward passes of a training step to the running statistics: support sets in each
        inner step, query sets after the last."""
        outputs, steps = self._adapted(batch, self.inner)
        for k, params in enumerate(steps):
            x = batch.support_x if k < self.inner.steps else batch.query_x
            self.running.add(outputs, params, x)

    def outputs_at_test(self, batch: SupervisedBatch, how: WholeTestStatistics) -> Iterator[Tensor]:
        """Yield outputs [T, Q, …] for the query sets before adaptation and after each test step."""
        with self.running.used() if how == "running" else nullcontext():
            outputs, steps = self._adapted(batch, self.test_inner)
        support, query = batch.support_x, batch.query_x
        for params in steps:
            if how == "running" or how == "running-queries":
                with self.running.used():
                    query_scores = over_tasks(outputs, query)(params, query)
            else:
                query_scores = query_outputs(self.model, outputs, params, support, query, how)
            yield query_scores

    def _adapted(self, batch: SupervisedBatch, inner: InnerLoop) -> tuple[Outputs, list[Params]]:
        """Return what maps a task's adapted parameters and inputs to outputs, and those parameters
        of all tasks (leading axis) before adaptation and after each step."""
        params = {k: v.detach() for k, v in self.params.items()}
        start, fixed = split(params, inner)
        shared = {k: v.expand(len(batch), *v.shape) for k, v in start.items()}
        steps = adapt(self.problem, start, fixed, batch.support_x, batch.support_y, inner)
        return lambda p, x: self.problem.outputs(p | fixed, x), [shared, *steps]

    def weights(self) -> dict[str, Tensor]:
        """Return the start parameters."""
        return {k: v.detach() for k, v in self.params.items()}

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Take start parameters."""
        self.model.load_state_dict(weights)

    def training_state(self) -> dict[str, Any]:
        """Return Adam's state."""
        return self.optimiser.state_dict()

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take Adam's state."""
        self.optimiser.load_state_dict(state)


def norm_parameters(model: nn.Module) -> frozenset[str]:
    """Name the parameters of batch norms, which MAML's code keeps out of the inner loop (maml.py,
    utils.py)."""
    layers = {name for name, m in model.named_modules() if isinstance(m, BatchStatistics)}
    return frozenset(n for n, _ in model.named_parameters() if n.rpartition(".")[0] in layers)


def clip_of_the_code(bound: float, reduction: str, tasks: Any) -> Outer:
    """Cut entries of the meta-gradient to ± `bound` in the scale of MAML's code (0: not).

    There the losses of all query images are summed and divided by the shots (utils.py, `xent`).
    Here they are averaged, and with `sum-over-classes` multiplied by the ways. Adam takes such
    factors away; what is cut depends on them.
    """
    s = tasks.settings
    here = s.train_ways if reduction == "sum-over-classes" else 1
    there = s.train_ways * s.train_queries / s.train_shots
    return Outer("mean", bound * here / there, 0)
