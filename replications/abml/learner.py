"""What learners on wheels share: how they are scored, and how those that adapt play trials."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from harness.errors import HarnessError
from harness.method import Method
from replications.abml.network import SD, Params, forward
from replications.abml.tasks import WheelBatch, regret
from replications.abml.trials import Agent, play

Noise = Callable[[int], Tensor]
"""Gives standard normals [T, S, units of all layers] for S contexts of each task."""


class ScoredOnWheels(Method):
    """Scores the test by trials, and validation, which is often, by the loss alone."""

    settings: Any
    told: slice
    asked: slice

    def check_lengths(self, tasks: Any) -> None:
        """Take which contexts are told and which are asked about; refuse trials without them."""
        if tasks.contexts < tasks.support + tasks.query:
            raise HarnessError(
                f"tasks.contexts: found {tasks.contexts}, wanted at least tasks.support + "
                f"tasks.query, {tasks.support + tasks.query}."
            )
        self.told = slice(tasks.support)
        self.asked = slice(tasks.support, tasks.support + tasks.query)

    @abc.abstractmethod
    def losses(self, batch: WheelBatch) -> Tensor:
        """Return the `loss` of each task [T]."""

    @abc.abstractmethod
    def agent(self, batch: WheelBatch) -> Agent:
        """Return what plays the trials of a batch."""

    @torch.no_grad()
    def evaluate(self, batch: WheelBatch) -> dict[str, Tensor]:
        """Return `loss` [T] at the first contexts behind the support, and the `regret` [T] of a
        trial on all contexts."""
        arms = play(batch, self.agent(batch), self.settings.first_pulls)
        return {"loss": self.losses(batch), "regret": regret(batch, batch.averages(), arms)}

    def scoring(
        self, tasks: Any, split: str, count: int, label: str = ""
    ) -> Callable[[int, int], dict[str, Tensor]]:
        """Score the test as `evaluate` does; validation by its loss."""

        @torch.no_grad()
        def losses(first: int, n: int) -> dict[str, Tensor]:
            return {"loss": self.losses(tasks.batch(split, first, n))}

        return losses if split == "val" else super().scoring(tasks, split, count, label)

    @classmethod
    def metrics(cls, settings: Any) -> tuple[str, ...]:
        """Name the metrics of `evaluate`."""
        return ("loss", "regret")


class WheelLearner(ScoredOnWheels):
    """A learner that adapts weights `start` to what it has seen."""

    start: Params

    @property
    def units(self) -> int:
        """Return the units of all layers."""
        return sum(v.shape[0] for k, v in self.start.items() if k.startswith("b"))

    @abc.abstractmethod
    def adapt(
        self, x: Tensor, arms: Tensor, y: Tensor, noise: Noise, count: int, graph: bool
    ) -> Params:
        """Return the parameters of T tasks after adaptation."""

    def scaled(self, batch: WheelBatch) -> tuple[Tensor, Tensor]:
        """Return contexts and what the drawn arms paid, by the scale, of support and query."""
        kind, every = self.start["w0"].dtype, slice(self.asked.stop)
        paid = batch.paid(batch.averages(), batch.arms)[:, every]
        return batch.contexts[:, every].to(kind), paid.to(kind) / self.settings.scale

    def drawn(self, tasks: int, generator: torch.Generator) -> Noise:
        """Return normals of a training step, drawn on the CPU: the same on every device."""
        start = self.start["w0"]

        def draw(points: int) -> Tensor:
            shape = (tasks, points, self.units)
            return torch.randn(shape, generator=generator, dtype=start.dtype).to(start.device)

        return draw


class TaskNoise:
    """Draws of each task from a generator of its own, whatever tasks come with it."""

    def __init__(self, learner: WheelLearner, seeds: Tensor) -> None:
        self.like, self.units = learner.start["w0"].detach(), learner.units
        self.generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds]

    def __call__(self, points: int) -> Tensor:
        """Return normals [T, points, units]."""
        shape, kind = (points, self.units), self.like.dtype
        rows = [torch.randn(shape, generator=g, dtype=kind) for g in self.generators]
        return torch.stack(rows).to(self.like.device)

    def picks(self, below: int, count: int) -> Tensor:
        """Return whole numbers from 0 to `below` - 1, [T, count]."""
        rows = [torch.randint(below, (count,), generator=g) for g in self.generators]
        return torch.stack(rows).to(self.like.device)


class BeliefAgent:
    """Adapts anew every few contexts, to as many as in training, drawn from its history."""

    def __init__(self, learner: WheelLearner, batch: WheelBatch, thompson: bool) -> None:
        """Begin the trials of a batch; `thompson`: act by weights drawn from the belief."""
        trials, contexts = batch.arms.shape
        kind = learner.start["w0"].dtype
        self.learner, self.thompson = learner, thompson
        self.noise = TaskNoise(learner, batch.seeds)
        self.x = batch.contexts.to(kind)
        self.arms = batch.arms.new_zeros(trials, contexts)
        self.y = self.x.new_zeros(trials, contexts)
        self.seen, self.fitted_at = 0, -learner.settings.refit_every
        self.params = {
            k: v.detach().expand(trials, *v.shape)
            for k, v in learner.start.items()
            if thompson or not k.startswith(SD)
        }

    def choose(self, contexts: Tensor) -> Tensor:
        """Return the arms [T] for contexts [T, 2]."""
        if self.seen and self.seen - self.fitted_at >= self.learner.settings.refit_every:
            self.refit()
        draws = self.noise(1) if self.thompson else None
        return forward(self.params, contexts[:, None].to(self.x), draws)[:, 0].argmax(-1)

    def refit(self) -> None:
        """Adapt the start to contexts drawn from the history."""
        size = self.learner.told.stop
        picks, self.fitted_at = self.noise.picks(self.seen, size), self.seen
        x = self.x.gather(1, picks[..., None].expand(-1, -1, 2))
        arms, y = self.arms.gather(1, picks), self.y.gather(1, picks)
        stands_for = min(self.seen, size)
        self.params = self.learner.adapt(x, arms, y, self.noise, stands_for, graph=False)

    def see(self, contexts: Tensor, arms: Tensor, paid: Tensor) -> None:
        """Keep what arms [T] paid [T]."""
        self.arms[:, self.seen] = arms
        self.y[:, self.seen] = paid.to(self.y) / self.learner.settings.scale
        self.seen += 1
