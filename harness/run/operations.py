"""Floating-point operations of one meta-training step."""

from __future__ import annotations

import dataclasses
from typing import Any

from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from harness.run.capture import Step
from harness.run.setup import Setup
from harness.tasks.source import TaskSource


def operations_per_step(setup: Setup, tasks: TaskSource) -> int | None:
    """Count one meta-training step: matrix products and convolutions, forward and backward.

    One task is counted without vectorisation (engine `loop`) and multiplied by the meta-batch:
    torch's counter overcounts the backward of grouped convolutions, which `vmap` makes. For a
    method that it cannot count, which says so (`operations_countable`), the result is None.
    """
    probe = dataclasses.replace(setup, engine="loop").method(tasks)
    if not probe.operations_countable:
        return None
    batch = tasks.batch("train", 0, 1)
    _, operations = counted(probe.train_step, batch, 0)
    return operations * setup.budget.meta_batch


def counted(step: Step, batch: Any, iteration: int) -> tuple[Tensor, int]:
    """Do a training step; return its loss and its operations."""
    with FlopCounterMode(display=False) as counter:
        loss = step(batch, iteration)
    return loss, int(counter.get_total_flops())
