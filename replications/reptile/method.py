"""Reptile (Nichol, Achiam & Schulman 2018, arXiv 1803.02999; code openai/supervised-reptile)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.func import functional_call

from harness.errors import HarnessError
from harness.meta_gradient.problem import Params
from harness.method import Method
from harness.methods.class_scores import percent_right
from harness.models.query_statistics import QueryStatistics, query_outputs
from harness.switch_types import Examples, Iterations, Rate, Steps, StepsFromOne, Width
from harness.tasks.batch import SupervisedBatch
from replications.reptile.inner_adam import (
    AdamState,
    adapt,
    carried_on,
    gradients_of,
    minibatches,
)
from replications.reptile.network import AffineConv4, Shrink


@dataclass(frozen=True)
class ReptileSettings:
    """Switches of Reptile. Those that start with `test_` do not touch training."""

    filters: Width
    shrink: Shrink
    """How a layer halves its image."""
    outer: Literal["reptile", "first-order-maml"]
    """Move towards the adapted parameters, or by their last inner step alone (`FOML`)."""
    inner_steps: StepsFromOne
    inner_batch: Examples
    """Examples in each inner step's mini-batch."""
    inner_rate: Rate
    inner_state: Literal["carried", "fresh"]
    """Adam's second moments at the start of a task: those that the tasks before left (the code, at
    test too), or zeros."""
    meta_step: Rate
    """Share of the way to the mean adapted parameters, at the start."""
    meta_step_final: Rate
    """The same at the end; linear in between."""
    meta_step_iterations: Iterations
    """Meta-iterations over which the meta step goes from one to the other."""
    test_steps: Steps
    test_batch: Examples
    """Examples in each mini-batch at test."""
    test_batch_norm: QueryStatistics


class Reptile(Method):
    """Moves the start towards where Adam takes it on each task. The engine plays no part."""

    Settings = ReptileSettings
    test_only = frozenset({"test_steps", "test_batch", "test_batch_norm"})
    settings: ReptileSettings

    def build(self, tasks: Any) -> None:
        """Start the network and Adam's state; check that mini-batches can be drawn."""
        s, ways = self.settings, tasks.ways("train")
        channels, size, _ = tasks.image_shape
        for name, split in (("inner_batch", "train"), ("test_batch", "test")):
            batch, images = getattr(s, name), tasks.ways(split) * tasks.shots(split)
            if batch > images:
                raise HarnessError(
                    f"method.{name}: found {batch}, wanted at most {images}: a {split} task has "
                    f"{images} support images."
                )
        if tasks.ways("test") != ways:
            raise HarnessError(
                f"tasks.test_ways: found {tasks.ways('test')}, wanted {ways} as in training: "
                "the head has one output for each class."
            )
        model = AffineConv4(channels, s.filters, s.shrink, size, ways, self.generator)
        self.model = model.to(self.device)
        self.params: Params = {k: v.detach() for k, v in self.model.named_parameters()}
        self.state = AdamState.fresh(self.params)
        self.gradients = gradients_of(model, torch.zeros(s.inner_batch, *tasks.image_shape))

    def meta_step(self, iteration: int) -> float:
        """Return the share of the way to go at `iteration`, counted from 0."""
        s = self.settings
        done = iteration / s.meta_step_iterations
        return done * s.meta_step_final + (1 - done) * s.meta_step

    def train_step(self, batch: SupervisedBatch, iteration: int) -> Tensor:
        """Adapt to each task and move the start; query images are not looked at."""
        s, (x, y) = self.settings, (batch.support_x, batch.support_y)
        tasks, examples = y.shape
        rows = minibatches(tasks, examples, s.inner_batch, s.inner_steps, self.generator)
        rows = rows.to(self.device)
        adapted = adapt(self.gradients, self.params, self.state, s.inner_rate, x, y, rows)
        by = self.meta_step(iteration)
        for name, start in self.params.items():
            whole = adapted.params[name] - start
            start.add_((whole if s.outer == "reptile" else adapted.last[name]).mean(0), alpha=by)
        if s.inner_state == "carried":
            self.state = carried_on(self.state, adapted.second, s.inner_steps)
        return adapted.loss.mean()

    def evaluate(self, batch: SupervisedBatch) -> dict[str, Tensor]:
        """Return `accuracy` [T] in percent after `test_steps` steps on the support set.

        All tasks take their support images in the same random order, whichever tasks come
        together; which images these are differs from task to task.
        """
        s, (x, y) = self.settings, (batch.support_x, batch.support_y)
        order = minibatches(1, y.shape[1], s.test_batch, s.test_steps, _same_order())
        rows = order.expand(len(y), -1, -1).to(self.device)
        adapted = adapt(self.gradients, self.params, self.state, s.inner_rate, x, y, rows).params
        outputs = query_outputs(
            self.model,
            lambda p, images: functional_call(self.model, p, (images,)),
            adapted,
            x,
            batch.query_x,
            s.test_batch_norm,
        )
        return {"accuracy": percent_right(outputs, batch.query_y)}

    def weights(self) -> dict[str, Tensor]:
        """Return the start and Adam's state, from which test tasks start as well."""
        second = {f"second_moment.{k}": v for k, v in self.state.second.items()}
        state = {**self.params, **second, "adam_steps": self.state.steps}
        return {k: v.clone() for k, v in state.items()}

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Take what `weights()` gave."""
        for k, v in self.params.items():
            v.copy_(weights[k])
        second = {k: weights[f"second_moment.{k}"].clone() for k in self.params}
        self.state = AdamState(second, weights["adam_steps"].clone())

    def training_state(self) -> dict[str, Any]:
        """Return the state of the generator that draws mini-batches."""
        return {"generator": self.generator.get_state()}

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take what `training_state()` gave."""
        self.generator.set_state(state["generator"])

    @classmethod
    def metrics(cls, settings: ReptileSettings) -> tuple[str, ...]:
        """Name the metric of `evaluate`."""
        return ("accuracy",)


def _same_order() -> torch.Generator:
    return torch.Generator().manual_seed(0)


ALGORITHMS = {"reptile": Reptile}
