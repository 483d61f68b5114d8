"""Seconds of a meta-step: warm up until steps take the same time, then time them one by one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from harness.costs.over_limit import OverLimit
from harness.measure.peak_rate import peak_rate
from harness.measure.synchronise import synchronise
from harness.run.setup import Setup
from harness.tasks.source import TaskSource

LEAST_WARM, LEAST_STEPS, MOST_STEPS = 3, 3, 10_000
Step = Callable[[], tuple[float, float]]


def time_point(setup: Setup, tasks: TaskSource, seconds: float, limit: float) -> dict[str, Any]:
    """Time meta-steps of a fresh method: fetching their tasks and `train_step`, as a training does.

    Returns `seconds_median`, `seconds_q1` and `seconds_q3` (quartiles over `steps` meta-steps),
    `tasks_per_second` (all tasks over all seconds), `fetch_share` (the part of the time that
    fetching tasks takes; on CUDA, of the host's time), `warm_up_steps`, `warmed_up` (False where
    the time for warming up ended first) and `peak_rate` (operations a second of a large product,
    right afterwards). Raises `OverLimit` where the fewest steps would take longer than `limit`
    seconds.
    """
    method = setup.method(tasks)
    meta_batch = setup.variant.training.meta_batch
    done = 0

    def step() -> tuple[float, float]:
        """Return the seconds of one meta-step, and those of fetching its tasks."""
        nonlocal done
        start = time.perf_counter()
        batch = tasks.batch("train", method.first_task(done, meta_batch), meta_batch)
        fetched = time.perf_counter()
        method.before_step(done)
        method.train_step(batch, done)
        synchronise(setup.device)
        done += 1
        return time.perf_counter() - start, fetched - start

    warmed_up = warm_up(step, seconds / 2, limit)
    warm_up_steps, times = done, timed(step, seconds)
    whole, fetch = times[:, 0], times[:, 1]
    q1, median, q3 = (float(q) for q in np.quantile(whole, (0.25, 0.5, 0.75)))
    return {
        "seconds_median": median,
        "seconds_q1": q1,
        "seconds_q3": q3,
        "steps": len(times),
        "tasks_per_second": len(times) * meta_batch / float(whole.sum()),
        "fetch_share": float(fetch.sum() / whole.sum()),
        "warm_up_steps": warm_up_steps,
        "warmed_up": warmed_up,
        "peak_rate": peak_rate(setup.device),
    }


def warm_up(step: Step, seconds: float, limit: float) -> bool:
    """Take steps until they settle, or for `seconds` and thrice at least; say whether they did.

    Settled: the median of the last three steps is within 10 % of that of the three before. Slow
    steps, of which there is no time for so many, are compared two by two or one by one. The first
    step, which sets things up, counts for nothing.
    """
    first = step()[0]
    if first * (LEAST_WARM + LEAST_STEPS) > limit:
        raise OverLimit(f"the first meta-step took {first:.3g} s")
    taken: list[float] = []
    while True:
        taken.append(step()[0])
        over = len(taken) >= LEAST_WARM - 1 and first + sum(taken) >= seconds
        if over or len(taken) >= 6:
            many = min(3, len(taken) // 2)
            before, last = np.median(taken[-2 * many : -many]), np.median(taken[-many:])
            settled = bool(abs(last / before - 1) <= 0.1)
            if over or settled:
                return settled


def timed(step: Step, seconds: float) -> np.ndarray:
    """Take steps for `seconds`; give [steps, 2]: the seconds of each and those of fetching."""
    taken = [step()]
    spent = taken[0][0]
    while len(taken) < LEAST_STEPS or (spent < seconds and len(taken) < MOST_STEPS):
        taken.append(step())
        spent += taken[-1][0]
    return np.array(taken)
