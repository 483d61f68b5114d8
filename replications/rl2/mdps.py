"""Tabular MDPs (Duan et al. 2016, arXiv 1611.02779, section 3.2).

A task is a Markov decision process: the mean reward of each state and action is drawn from N(1, 1),
the chances of the next states uniformly (Dirichlet, all parameters 1), and a reward is drawn from
N(mean, 1). A learner plays n episodes of it, each from state 0, and is scored by the sum. Where the
last step of an episode would have led is not seen: the next state is the first of a new one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from harness.ranges import Range
from harness.tasks.source import BLOCK, Arrays, TaskSource

MEAN_STREAM, TRANSITION_STREAM, DRAW_STREAM, NOISE_STREAM, SEED_STREAM = range(5)
NAMES = ("means", "transitions", "draws", "noise", "seeds")


@dataclass(frozen=True)
class MdpSettings:
    """Switches of tabular MDPs. The task of a training is that of the test."""

    states: Annotated[int, Range(1, 1000)]
    actions: Annotated[int, Range(1, 1000)]
    horizon: Annotated[int, Range(1, 10_000)]
    """Steps of an episode."""
    episodes: Annotated[int, Range(1, 10_000)]
    """n, over which the reward is summed."""

    @property
    def observations(self) -> int:
        """Return the numbers that show a state."""
        return self.states


@dataclass(frozen=True)
class MdpBatch:
    """T MDPs with S states and A actions, for n episodes of H steps; all float64 but the seeds.

    `means` [T, S, A] of rewards, `transitions` [T, S, A, S]: chances of the next state; `draws`
    [T, n, H] in [0, 1): which state is next, `noise` [T, n, H]: how far a reward is from its mean,
    so that all methods meet the same luck. `seeds` [T] int64: for what a method draws itself.
    """

    means: Tensor
    transitions: Tensor
    draws: Tensor
    noise: Tensor
    seeds: Tensor

    def __len__(self) -> int:
        return len(self.means)

    @property
    def actions(self) -> int:
        """Return A."""
        return self.means.shape[2]

    @property
    def steps(self) -> int:
        """Return n H."""
        return self.draws[0].numel()

    def begin(self) -> MdpsPlayed:
        """Return the trials before their first step."""
        return MdpsPlayed(self)


class MdpsPlayed:
    """Trials under way: `states` [T] int64, and how many steps are `done`."""

    def __init__(self, batch: MdpBatch) -> None:
        self.batch, self.done = batch, 0
        self.states = torch.zeros_like(batch.seeds)
        self._rows = torch.arange(len(batch), device=batch.seeds.device)
        self._cumulative = batch.transitions.cumsum(-1)[..., :-1]  # the last state has the rest

    @property
    def ended(self) -> bool:
        """Whether the last step ended an episode; true before the first one."""
        return self.done % self.batch.draws.shape[2] == 0

    def observed(self) -> Tensor:
        """Return the states one-hot, [T, S]."""
        return F.one_hot(self.states, self.batch.means.shape[1]).to(self.batch.means.dtype)

    def pay(self, actions: Tensor) -> Tensor:
        """Take a step; return what `actions` [T] (int64) pay, [T]."""
        episode, step = divmod(self.done, self.batch.draws.shape[2])
        chosen = self._rows, self.states, actions
        paid = self.batch.means[chosen] + self.batch.noise[:, episode, step]
        after = (self._cumulative[chosen] <= self.batch.draws[:, episode, step, None]).sum(-1)
        self.done += 1
        self.states = torch.zeros_like(after) if self.ended else after
        return paid


class TabularMdps(TaskSource):
    """Random MDPs."""

    Settings = MdpSettings
    settings: MdpSettings

    @classmethod
    def batch_bytes(cls, settings: Any, split: str, count: int) -> int:
        """Return the bytes of MDPs and draws, of the batch and of its blocks."""
        s = settings
        numbers = s.states * s.actions * (1 + s.states) + 2 * s.episodes * s.horizon + 1
        return 8 * int(numbers) * 2 * (count + BLOCK)

    def draw_block(self, split: str, block: int) -> Arrays:
        """Draw the arrays of `MdpBatch`, each [BLOCK, …]. With more episodes the first ones stay
        the same."""
        s = self.settings

        def stream(number: int) -> np.random.Generator:
            return self.generator(split, block, number)

        def steps(drawn: np.ndarray) -> np.ndarray:
            return np.moveaxis(drawn, -1, 0)  # tasks first; drawn last, episode by episode

        raw = stream(TRANSITION_STREAM).standard_exponential((BLOCK, s.states, s.actions, s.states))
        shape = s.episodes, s.horizon, BLOCK
        return {
            "means": stream(MEAN_STREAM).normal(1, 1, (BLOCK, s.states, s.actions)),
            "transitions": raw / raw.sum(-1, keepdims=True),
            "draws": steps(stream(DRAW_STREAM).random(shape)),
            "noise": steps(stream(NOISE_STREAM).standard_normal(shape)),
            "seeds": stream(SEED_STREAM).integers(2**62, size=BLOCK),
        }

    def to_batch(self, arrays: Arrays) -> MdpBatch:
        """Lay MDPs on the device."""
        return MdpBatch(
            *(torch.from_numpy(np.ascontiguousarray(arrays[n])).to(self.device) for n in NAMES)
        )
