"""Agents that look at nothing: what regret is measured in, and a wheel without exploration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from harness.methods.untrained import Untrained
from replications.abml.tasks import SAFE, WheelBatch, regret


@dataclass(frozen=True)
class FixedSettings:
    """Switches of the agents that look at nothing."""

    arm: Literal["uniform", "safe"]
    """Drawn uniformly at each context, or always the safe one."""


class Fixed(Untrained):
    """Chooses without looking."""

    Settings = FixedSettings
    settings: FixedSettings

    def evaluate(self, batch: WheelBatch) -> dict[str, Tensor]:
        """Return the `regret` of each trial."""
        arms = batch.arms
        if self.settings.arm == "safe":
            arms = torch.full_like(arms, SAFE)
        return {"regret": regret(batch, batch.averages(), arms)}

    def train_step(self, batch: WheelBatch, iteration: int) -> Tensor:
        """Return the mean regret, which nothing lowers."""
        (scores,) = self.evaluate(batch).values()
        return scores.mean().float()

    @classmethod
    def metrics(cls, settings: Any) -> tuple[str, ...]:
        """Name the metric of `evaluate`."""
        return ("regret",)
