"""What policies can return that know the goal, or nothing of it: no learner, and no published row.

Without a goal all episodes of a policy are the same walk. In the corners a step pays something for
one goal at most, as the four circles do not overlap; so the best that one walk can do over all
goals is to go to a corner as fast as it can and stay there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from harness.methods.untrained import Untrained
from replications.es_maml.rollouts import BOUNDS
from replications.es_maml.tasks import CORNERS, ENDS_AT, STEP, NavigationBatch


@dataclass(frozen=True)
class BoundSettings:
    """Switches of the bounds."""

    walk: Literal["to-the-goal", "one-corner", "stay"]
    """Straight to the goal (the most that can be returned); to the corner (2, 2) whatever the goal
    is; nowhere."""


class Bound(Untrained):
    """Walks that are known."""

    Settings = BoundSettings
    settings: BoundSettings

    def build(self, tasks: Any) -> None:
        """Take the world of the tasks."""
        self.world, self.horizon = tasks.settings.world, tasks.settings.horizon

    def evaluate(self, batch: NavigationBatch) -> dict[str, Tensor]:
        """Return the return of each task."""
        towards = {
            "to-the-goal": batch.goals,
            "one-corner": torch.from_numpy(CORNERS[:1]).to(batch.goals).expand_as(batch.goals),
            "stay": torch.zeros_like(batch.goals),
        }[self.settings.walk]
        return {"reward": self._returns(towards, batch.goals)}

    def _returns(self, towards: Tensor, goals: Tensor) -> Tensor:
        place, returns = torch.zeros_like(goals), goals.new_zeros(len(goals))
        walking = torch.ones_like(returns)
        for _ in range(self.horizon):
            place = place + (towards - place).clamp(-STEP, STEP)
            place = place.clamp(-BOUNDS[self.world], BOUNDS[self.world])
            paid = -(place - goals).square().sum(1)
            if self.world == "corners":
                returns += paid.clamp(min=-4.0)
            else:
                returns += walking * paid
                walking = walking * (paid < ENDS_AT)
        return returns

    def train_step(self, batch: NavigationBatch, iteration: int) -> Tensor:
        """Return the negative mean return, which nothing lowers."""
        (returns,) = self.evaluate(batch).values()
        return -returns.mean().float()

    @classmethod
    def metrics(cls, settings: Any) -> tuple[str, ...]:
        """Name the metric of `evaluate`."""
        return ("reward",)
