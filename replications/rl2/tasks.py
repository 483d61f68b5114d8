"""Bernoulli bandits (Duan et al. 2016, arXiv 1611.02779, section 3.1).

A task is a bandit: k arms, each of which pays 1 with a probability of its own, drawn uniformly from
[0, 1], and 0 else. A learner pulls n times and sees what each pull paid. It is scored by the sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from harness.ranges import Range
from harness.tasks.source import BLOCK, Arrays, TaskSource
from replications.rl2.mdps import TabularMdps

CHANCE_STREAM, DRAW_STREAM, SEED_STREAM = range(3)


@dataclass(frozen=True)
class BanditSettings:
    """Switches of Bernoulli bandits. The task of a training is that of the test."""

    arms: Annotated[int, Range(1, 10_000)]
    """k."""
    pulls: Annotated[int, Range(1, 10_000)]
    """n, over which the reward is summed."""

    @property
    def actions(self) -> int:
        """Return k."""
        return self.arms

    @property
    def observations(self) -> int:
        """Return the numbers that show a state: a bandit has none."""
        return 0


@dataclass(frozen=True)
class BanditBatch:
    """T bandits. `chances` [T, k] float64: probability that an arm pays. `draws` [T, n] float64 in
    [0, 1): pull t of an arm pays 1 where draws[:, t] is below the arm's chance, so that all methods
    meet the same luck. `seeds` [T] int64: for what a method draws itself."""

    chances: Tensor
    draws: Tensor
    seeds: Tensor

    def __len__(self) -> int:
        return len(self.chances)

    @property
    def actions(self) -> int:
        """Return k."""
        return self.chances.shape[1]

    @property
    def steps(self) -> int:
        """Return n."""
        return self.draws.shape[1]

    def begin(self) -> BanditsPlayed:
        """Return the trials before their first pull."""
        return BanditsPlayed(self)

    def pay(self, pull: int, arms: Tensor) -> Tensor:
        """Return what pull number `pull` of `arms` [T] (int64) pays: [T] of 0 and 1."""
        chance = self.chances.gather(1, arms[:, None])[:, 0]
        return (self.draws[:, pull] < chance).to(self.chances.dtype)


class BanditsPlayed:
    """Trials under way. Each pull is an episode of its own."""

    ended = True

    def __init__(self, batch: BanditBatch) -> None:
        self.batch, self.pulls = batch, 0

    def observed(self) -> Tensor:
        """Return nothing, [T, 0]."""
        return self.batch.chances.new_zeros(len(self.batch), 0)

    def pay(self, actions: Tensor) -> Tensor:
        """Pull the arms `actions` [T]; return what they pay, [T] of 0 and 1."""
        self.pulls += 1
        return self.batch.pay(self.pulls - 1, actions)


class Bandits(TaskSource):
    """Bandits with chances uniform in [0, 1]."""

    Settings = BanditSettings
    settings: BanditSettings

    @classmethod
    def batch_bytes(cls, settings: Any, split: str, count: int) -> int:
        """Return the bytes of chances and draws, of the batch and of its blocks."""
        return 8 * int(settings.arms + settings.pulls) * 2 * (count + BLOCK)

    def draw_block(self, split: str, block: int) -> Arrays:
        """Draw `chances` [BLOCK, k], `draws` [BLOCK, n] and `seeds` [BLOCK]. With more pulls or
        arms the first ones stay the same."""
        s = self.settings

        def uniform(stream: int, count: int) -> np.ndarray:
            return self.generator(split, block, stream).random((count, BLOCK)).T

        seeds = self.generator(split, block, SEED_STREAM).integers(2**62, size=BLOCK)
        return {
            "chances": uniform(CHANCE_STREAM, s.arms),
            "draws": uniform(DRAW_STREAM, s.pulls),
            "seeds": seeds,
        }

    def to_batch(self, arrays: Arrays) -> BanditBatch:
        """Lay bandits on the device."""
        names = ("chances", "draws", "seeds")
        return BanditBatch(
            *(torch.from_numpy(np.ascontiguousarray(arrays[n])).to(self.device) for n in names)
        )


TASK_SOURCES = {"bandits": Bandits, "tabular-mdps": TabularMdps}
