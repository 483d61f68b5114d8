"""What a switch is worth: the difference that one alternative makes, with its interval.

Test task i is the same pure function of its index on both sides, so scores are compared task by
task, whatever the switch leaves of the task.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.compare.statistics import Estimate, paired_estimate, unpaired_estimate

PAIRED, NESTED, TRAINED, NONE = "paired", "nested", "two trainings", "not measured"


@dataclass(frozen=True)
class EffectRow:
    """One switch set to something else; numbers in the unit of `metric`, None = not measured."""

    metric: str
    """Of the run, and of the alternative too unless the switch is the test step."""
    switch: str
    here: str
    instead: str
    mean: float | None
    """With the alternative."""
    effect: float | None
    """Mean with the alternative - mean of the run."""
    interval: float | None
    """Half-width of the 95 % interval of `effect`, over test tasks."""
    p: float | None
    """Two-sided, against no effect; not corrected for the number of switches. None for two
    trainings: it would say whether these two differ, not whether the switch does."""
    tasks: int | None
    """Test tasks with the alternative."""
    comparison: str
    """`paired`: the same weights, task by task; `nested`: the same weights, one set of tasks is the
    beginning of the other; `two trainings`: each side has weights of its own, from the same seed
    and at `budget`, compared task by task; `not measured`."""
    budget: str
    """Of both trainings where there are two; else ''."""
    differs_from: tuple[str, ...]
    """Who has the alternative where the run has not: `the paper`, a re-implementation."""
    note: str


def effect(here: np.ndarray, instead: np.ndarray) -> Estimate:
    """Estimate mean(instead) - mean(here) from scores [tasks] of the same task indices."""
    return paired_estimate(instead[None], here[None])


def nested_effect(here: np.ndarray, instead: np.ndarray) -> Estimate:
    """Estimate mean(instead) - mean(here) where the shorter is the beginning of the longer.

    With f the share of the shorter in the longer, the mean of the longer less that of the shorter
    is (1 - f) times the difference between the rest and the shorter, which are independent. Both
    need two tasks or more, and the rest too.
    """
    short, long = sorted((here, instead), key=len)
    apart = unpaired_estimate(long[len(short) :], short)
    share = (1 - len(short) / len(long)) * (1 if long is instead else -1)
    return Estimate(share * apart.value, abs(share) * apart.se, apart.df)
