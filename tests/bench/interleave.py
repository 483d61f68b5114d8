"""Several ways to do the same work, timed in turn: A B C A B C …, and compared by paired ratios.

A busy machine slows all contenders of a round alike, so the ratio within a round says more than
two times taken minutes apart. What is reported is the median of those ratios over the rounds, with
their quartiles.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

Work = Callable[[], object]


@dataclass(frozen=True)
class Ratio:
    """How many times as long one contender takes as another: median and quartiles over rounds."""

    median: float
    low: float
    high: float

    @property
    def spread(self) -> float:
        """Return the distance between the quartiles as a share of the median."""
        return (self.high - self.low) / self.median


@dataclass(frozen=True)
class Timings:
    """`seconds[name][r]`: how long a contender took in round r, right after the one before it."""

    seconds: Mapping[str, list[float]]

    @property
    def rounds(self) -> int:
        """Return the number of rounds."""
        return min(map(len, self.seconds.values()))

    def median(self, name: str) -> float:
        """Return the median of a contender, in seconds."""
        return float(np.median(self.seconds[name]))

    def ratio(self, slow: str, fast: str) -> Ratio:
        """Compare within each round, then over the rounds: time of `slow` / time of `fast`."""
        each = np.array(self.seconds[slow]) / np.array(self.seconds[fast])
        low, middle, high = np.quantile(each, [0.25, 0.5, 0.75])
        return Ratio(float(middle), float(low), float(high))


def interleave(
    contenders: Mapping[str, Work],
    least_rounds: int = 5,
    most_rounds: int = 30,
    budget_s: float = 20.0,
    settled: Callable[[Timings], bool] = lambda timings: False,
    wait: Work = lambda: None,
    clock: Callable[[], float] = time.perf_counter,
) -> Timings:
    """Run every contender once to warm up, then all of them in turn, round after round.

    Ends after `most_rounds`, or, from `least_rounds` on, when `budget_s` is spent or `settled` says
    so of the timings until then. `wait` returns when a device has done what it was given.
    """
    for work in contenders.values():
        work()
    wait()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    timings, begun = Timings(seconds), clock()
    # What is alive now is left out of collections, so that the ones between calls are quick.
    gc.collect()
    gc.freeze()
    try:
        for done in range(most_rounds):
            if done >= least_rounds and (clock() - begun > budget_s or settled(timings)):
                break
            for name, work in contenders.items():
                gc.collect()  # nobody pays for the garbage of the one before
                start = clock()
                work()
                wait()
                seconds[name].append(clock() - start)
    finally:
        gc.unfreeze()
    return timings
