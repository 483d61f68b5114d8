"""What a recurrent policy meets: trials that are played step by step, whatever their kind."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Playing(Protocol):
    """T trials under way, all at the same step."""

    @property
    def ended(self) -> bool:
        """Whether the last step ended an episode; true before the first one."""

    def observed(self) -> Tensor:
        """Return what is seen of the states, [T, O]; O is 0 where there are none."""

    def pay(self, actions: Tensor) -> Tensor:
        """Take a step; return what `actions` [T] (int64) pay, [T]."""


class TrialBatch(Protocol):
    """T tasks, each of them a trial. `seeds` [T] int64: for what a method draws itself."""

    @property
    def seeds(self) -> Tensor:
        """Return the seeds [T]."""

    @property
    def steps(self) -> int:
        """Return the steps of a trial, over all its episodes."""

    @property
    def actions(self) -> int:
        """Return how many actions there are to choose from."""

    def __len__(self) -> int: ...

    def begin(self) -> Playing:
        """Return the trials before their first step."""
