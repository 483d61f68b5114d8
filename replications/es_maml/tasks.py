"""Navigation in the plane (Song et al. 2020, arXiv 1910.01215; authors' `es_maml/task.py`).

A point starts at the origin and moves by at most 0.1 along each axis at a step. Tasks differ in the
goal, which the point does not see: it only sees where it is.

- `corners`: the goal is one of (±2, ±2). A step pays -4 + max(0, 4 - d²) at distance d, so that
  nothing is told further than 2 away.
- `square`: the goal is uniform in [-1, 1]². A step pays -d², and an episode ends at d² <= 0.01.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor

from harness.ranges import Range
from harness.tasks.source import BLOCK, Arrays, TaskSource

CORNERS = np.array([[2.0, 2.0], [-2.0, 2.0], [-2.0, -2.0], [2.0, -2.0]])
STEP = 0.1
"""Most that a step moves along an axis."""
ENDS_AT = -0.01
"""An episode in the square ends with a payment of this or more."""
TASK_STREAM, SEED_STREAM = range(2)

World = Literal["corners", "square"]


@dataclass(frozen=True)
class NavigationSettings:
    """Switches of navigation."""

    world: World
    horizon: Annotated[int, Range(1, 100_000)]
    """Steps of an episode."""
    train_goals: Annotated[int, Range(1, 1_000_000)]
    """Training tasks: those numbered 0 … train_goals - 1, each drawn as often. Test tasks have the
    numbers after them."""


@dataclass(frozen=True)
class NavigationBatch:
    """T tasks. `goals` [T, 2] float64, `seeds` [T] int64: for what a method draws itself."""

    goals: Tensor
    seeds: Tensor

    def __len__(self) -> int:
        return len(self.goals)


class Navigation(TaskSource):
    """Goals by number: task `number` has the goal that the authors' code gives it."""

    Settings = NavigationSettings
    settings: NavigationSettings

    @classmethod
    def batch_bytes(cls, settings: Any, split: str, count: int) -> int:
        """Return the bytes of goals and seeds, of the batch and a block."""
        return 8 * 3 * 2 * (count + BLOCK)

    def draw_block(self, split: str, block: int) -> Arrays:
        """Draw `goals` [BLOCK, 2] and `seeds` [BLOCK]."""
        s = self.settings
        if split in ("train", "trainval"):
            rng = self.generator(split, block, TASK_STREAM)
            numbers = rng.integers(s.train_goals, size=BLOCK)
        else:
            # Validation has its own tasks, far behind those of the test.
            behind = 1_000_000 if split == "val" else 0
            numbers = s.train_goals + behind + block * BLOCK + np.arange(BLOCK)
        seeds = self.generator(split, block, SEED_STREAM).integers(2**62, size=BLOCK)
        return {"goals": goals(s.world, numbers), "seeds": seeds}

    def to_batch(self, arrays: Arrays) -> NavigationBatch:
        """Lay tasks on the device."""
        laid = (torch.from_numpy(np.ascontiguousarray(arrays[n])) for n in ("goals", "seeds"))
        return NavigationBatch(*(a.to(self.device) for a in laid))


def goals(world: World, numbers: np.ndarray) -> np.ndarray:
    """Return the goals [T, 2] of the tasks with `numbers` [T]. In the square each is drawn from
    numpy's old generator, seeded with the number, as in the authors' code."""
    if world == "corners":
        return np.asarray(CORNERS[numbers % 4])
    drawn = [np.random.RandomState(int(n)).uniform(-1.0, 1.0, 2) for n in numbers]
    return np.array(drawn)


TASK_SOURCES = {"navigation": Navigation}
