"""A record with its weights, tested again with switches set to something else."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.catalog import Cell
from harness.errors import HarnessError
from harness.meta_gradient.engines import DEFAULT
from harness.records.schema import Record
from harness.records.store import find_records, verify_files
from harness.run.budget import budget
from harness.run.kept_weights import check_shapes, read_weights, record_overrides
from harness.run.plan import Plan
from harness.run.scores import Scores, add_best_of_steps, evaluate
from harness.tasks.batch import SupervisedBatch
from harness.tasks.source import BLOCK, TaskSource

WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class Setting:
    """Test tasks and a way to be tested on them, before it is done."""

    plan: Plan
    tasks: TaskSource
    support: str
    """sha256 of the drawn tasks without their query sets: equal ones are compared task by task."""
    signature: str
    """sha256 of tasks, pixels and method switches: equal ones give equal scores."""


class Kept:
    """One trained checkpoint; the test split is open, as its training has ended."""

    def __init__(self, cell: Cell, folder: Path, record: Record, device: torch.device) -> None:
        if f"{record.paper}/{record.cell}" != cell.key:
            raise HarnessError(
                f"{folder} belongs to {record.paper}/{record.cell}, not to {cell.key}."
            )
        if WEIGHTS not in record.files:
            raise HarnessError(f"{folder}: found no {WEIGHTS} in it, wanted a finished run's.")
        self.cell, self.folder, self.record, self.device = cell, folder, record, device
        published = cell.variant(record.variant)
        self.overrides = record_overrides(record, published.protocol())
        self.weights: dict[str, Tensor] = read_weights(folder / WEIGHTS, device.type)

    def setting(self, changed: Mapping[str, Any], count: int | None = None) -> Setting:
        """Build the test with `changed` switches, on `count` tasks (as many as recorded)."""
        variant = self.cell.variant(self.record.variant, self.overrides | dict(changed))
        length = budget(self.record.budget, variant.training, variant.testing)
        length = dataclasses.replace(length, test_tasks=count or length.test_tasks)
        plan = Plan(variant, variant, 0, length, DEFAULT, self.device, Path(), Path())
        tasks = plan.tasks()
        tasks.end_training()
        support = _support_digest(tasks, length.test_tasks)
        return Setting(plan, tasks, support, _signature(plan, tasks))

    def scores(self, setting: Setting) -> Scores:
        """Score the kept weights: metric -> [tasks], with the best of the test steps where there
        are any."""
        method = setting.plan.method(setting.tasks)
        check_shapes(
            self.folder / WEIGHTS, self.weights, method.weights(), setting.plan.variant.key
        )
        method.load_weights(self.weights)
        at_once = setting.plan.variant.testing.tasks_at_once
        count = setting.plan.budget.test_tasks
        return add_best_of_steps(evaluate(method, setting.tasks, "test", count, at_once))


def find_kept(cell: Cell, variant: str | None, results: Path) -> tuple[Path, Record]:
    """Give the record to explain: published switches before others, longest training, lowest seed.

    Raises HarnessError where no finished run of the cell (and variant) has weights on record.
    """
    if variant is not None:
        cell.variant(variant)
    names = list(cell.variants)
    found = [
        s
        for s in find_records(results)
        if (s.record.paper, s.record.cell) == (cell.paper, cell.name)
        and s.record.variant in ([variant] if variant else names)
        and s.record.status == "finished"
        and WEIGHTS in s.record.files
    ]
    if not found:
        what = f"{cell.key}/{variant}" if variant else cell.key
        raise HarnessError(
            f"found no trained weights of {what} in {results}; run `harness run {cell.key}` first."
        )
    best = min(
        found,
        key=lambda s: (
            *(names.index(s.record.variant), len(s.record.protocol_differences)),
            *(-s.record.iterations, s.record.seed, str(s.folder)),
        ),
    )
    return best.folder, verify_files(best.folder)


def _support_digest(tasks: TaskSource, count: int) -> str:
    found = hashlib.sha256()
    for first in range(0, count, BLOCK):
        arrays = tasks.arrays("test", first, min(BLOCK, count - first))
        for name in sorted(arrays):
            if name != "query":
                found.update(f"{name}{arrays[name].shape}".encode())
                found.update(arrays[name].tobytes())
    return found.hexdigest()


def _signature(plan: Plan, tasks: TaskSource) -> str:
    """Digest what scores depend on: pixels are looked at on the first tasks."""
    found = hashlib.sha256(tasks.task_digest("test", plan.budget.test_tasks).encode())
    found.update(repr(plan.variant.method).encode())
    batch = tasks.batch("test", 0, min(4, plan.budget.test_tasks))
    if isinstance(batch, SupervisedBatch):
        for x in (batch.support_x, batch.query_x):
            found.update(x.cpu().contiguous().numpy().tobytes())
    return found.hexdigest()
