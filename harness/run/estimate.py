"""What a full run will cost on this machine, from a few training steps."""

from __future__ import annotations

import time
from dataclasses import dataclass

from harness.catalog import Variant
from harness.measure.memory import peak_device_bytes, peak_host_bytes
from harness.measure.synchronise import synchronise
from harness.run.length import Length, length_of
from harness.run.setup import Setup, choose_device

WARM_UP, SECONDS, MOST_STEPS = 2, 1.5, 50


@dataclass(frozen=True)
class Estimate:
    """Expected cost; `train_seconds` leaves validation and test out."""

    seconds_per_step: float
    train_seconds: float
    """Of the published or expected length."""
    length: Length
    """Of the first phase."""
    phases: int
    peak_bytes: int
    """Of the device where it has memory of its own, else of this process."""
    device: str


def estimate(variant: Variant, device: str = "auto") -> Estimate:
    """Time training steps of a throw-away copy of `variant` for a second or two."""
    chosen = choose_device(device)
    setup = Setup.at("full", variant, device=chosen)
    tasks = setup.tasks()
    method = setup.method(tasks)
    meta_batch = variant.training.meta_batch
    done, start = 0, time.perf_counter()
    while done < WARM_UP + MOST_STEPS:
        if done == WARM_UP:
            synchronise(chosen)
            start = time.perf_counter()
        if done > WARM_UP and time.perf_counter() - start > SECONDS:
            break
        first = method.first_task(done, meta_batch)
        method.train_step(tasks.batch("train", first, meta_batch), done)
        done += 1
    synchronise(chosen)
    each = (time.perf_counter() - start) / (done - WARM_UP)
    phases = 2 if variant.training.selection == "best-validation-then-retrain" else 1
    total = each * variant.training.iterations * phases
    peak = peak_device_bytes(chosen) or peak_host_bytes()
    steps = length_of(variant.training, setup.budget.iterations)
    return Estimate(each, total, steps, phases, peak, chosen.type)
