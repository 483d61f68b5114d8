"""Bytes of a meta-step: of the process, of its live tensors, and of the device."""

from __future__ import annotations

import gc
import time
from typing import Any

import torch

from harness.costs.over_limit import OverLimit
from harness.measure.live_tensors import LiveTensors
from harness.measure.memory import (
    peak_device_bytes,
    peak_host_bytes,
    reset_peak_device,
    reset_peak_host,
)
from harness.measure.synchronise import synchronise
from harness.run.allocator import give_back_freed_memory
from harness.run.setup import Setup
from harness.tasks.source import TaskSource

STEPS = 2  # the first one makes the optimiser's state, the second has it from the start


def memory_of_point(setup: Setup, tasks: TaskSource, limit: float) -> dict[str, Any]:
    """Take meta-steps with a fresh method and see how memory grows.

    Returns `host_growth_bytes`: the peak resident memory of the process minus that with data loaded
    and the method built (`host_peak_bytes` is the peak itself; `host_peak_was_reset` is False where
    the system cannot count the peak anew, so that a higher one while loading hides some growth);
    `live_tensor_bytes`: most bytes alive at once of tensors made in a later meta-step;
    `device_allocated_bytes` and `device_reserved_bytes`: peaks of torch's allocator, 0 on the CPU;
    `device_before_bytes`: what data and method hold there. Raises `OverLimit` where the steps would
    take longer than `limit` seconds.
    """
    meta_batch = setup.variant.training.meta_batch
    # Code that is loaded when it is first used is not memory of the step: a throw-away first.
    setup.method(tasks).train_step(tasks.batch("train", 0, 1), 0)
    method = setup.method(tasks)
    gc.collect()
    give_back_freed_memory()
    synchronise(setup.device)
    cuda = setup.device.type == "cuda"
    if cuda:
        torch.cuda.empty_cache()
    reset_peak_device(setup.device)
    device_before = peak_device_bytes(setup.device)
    was_reset = reset_peak_host()
    host_before = peak_host_bytes()

    def step(i: int) -> None:
        method.train_step(tasks.batch("train", method.first_task(i, meta_batch), meta_batch), i)
        synchronise(setup.device)

    for i in range(STEPS):
        start = time.perf_counter()
        step(i)
        took = time.perf_counter() - start
        if i == 0 and took * (STEPS + 1) > limit:
            raise OverLimit(f"the first meta-step took {took:.3g} s")
    host = peak_host_bytes()
    device = peak_device_bytes(setup.device)
    reserved = torch.cuda.max_memory_reserved(setup.device) if cuda else 0
    # Following tensors takes memory and time of its own, so in a step of its own.
    with LiveTensors() as live:
        step(STEPS)
    return {
        "host_growth_bytes": host - host_before,
        "host_peak_bytes": host,
        "host_peak_was_reset": was_reset,
        "live_tensor_bytes": live.peak,
        "device_allocated_bytes": device,
        "device_reserved_bytes": reserved,
        "device_before_bytes": device_before,
    }
