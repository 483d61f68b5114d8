"""A record with its weights, tested again with switches set to something else."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.catalog import Cell
from harness.errors import HarnessError
from harness.meta_gradient.engines import DEFAULT
from harness.method import Method
from harness.metric import with_best_of_steps
from harness.records.schema import Record
from harness.records.store import find_records, verify_files
from harness.run.budget import budget
from harness.run.kept_weights import method_with, read_weights, record_overrides
from harness.run.plan import Plan
from harness.run.scores import Scores, add_best_of_steps, evaluate, open_test
from harness.stated import STEPS_AT_TEST
from harness.tasks.source import TaskSource

WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class Retest:
    """A test before it is done: what is tested, on what."""

    plan: Plan
    method: Method
    tasks: TaskSource

    @cached_property
    def signature(self) -> str:
        """sha256 of tasks, what the method sees of them and method switches: equal ones give equal
        scores. What is seen is looked at on the first tasks."""
        count = self.plan.budget.test_tasks
        found = hashlib.sha256(self.tasks.task_digest("test", count).encode())
        found.update(repr(self.plan.variant.method).encode())
        batch = self.tasks.batch("test", 0, min(4, count))
        for field in dataclasses.fields(batch):
            x = getattr(batch, field.name)
            if isinstance(x, Tensor):
                found.update(f"{field.name} {x.dtype} {tuple(x.shape)}".encode())
                found.update(x.cpu().contiguous().numpy().tobytes())
        return found.hexdigest()

    def metrics(self) -> tuple[str, ...]:
        """Name what the test gives, and the best of its steps."""
        return with_best_of_steps(self.method.metrics(self.plan.variant.method))


class Kept:
    """One trained checkpoint; the test split is open, as its training has ended."""

    def __init__(self, cell: Cell, folder: Path, record: Record, device: torch.device) -> None:
        if f"{record.paper}/{record.cell}" != cell.key:
            raise HarnessError(
                f"{folder} belongs to {record.paper}/{record.cell}, not to {cell.key}."
            )
        if record.status != "finished" or WEIGHTS not in record.files:
            raise HarnessError(f"{folder}: found no {WEIGHTS} in it, wanted a finished run's.")
        self.cell, self.folder, self.record, self.device = cell, folder, record, device
        self.published = cell.variant(record.variant)
        self.protocol = self.published.stated.complete(record.protocol)
        self.overrides = record_overrides(record, self.published)
        self.weights: dict[str, Tensor] = read_weights(folder / WEIGHTS, device.type)

    @property
    def has_steps(self) -> bool:
        """Whether k of the metrics name@k counts test steps."""
        return self.published.stated.counted == STEPS_AT_TEST

    def setting(self, changed: Mapping[str, Any], count: int) -> Retest:
        """Prepare the test with `changed` switches on `count` tasks: the method has the kept
        weights, and what it estimates beside them from training tasks (of the record's seed)."""
        r = self.record
        variant = self.cell.variant(r.variant, self.overrides | dict(changed))
        length = budget(r.budget, variant.training, variant.testing)
        length = dataclasses.replace(length, test_tasks=count)
        plan = Plan(variant, variant, r.seed, length, DEFAULT, self.device, Path(), Path())
        tasks = plan.tasks()
        if not changed and tasks.data_digest() != r.data_digest:
            raise HarnessError(
                f"{self.folder} was tested on other images than those at hand (digest "
                f"{r.data_digest[:12]}, here {tasks.data_digest()[:12]}); see `harness data list`."
            )
        method = method_with(self.weights, plan, tasks, self.folder / WEIGHTS)
        open_test(method, tasks, variant.testing.tasks_at_once)
        return Retest(plan, method, tasks)

    def scores(self, setting: Retest, done: Callable[[int], None]) -> Scores:
        """Score the kept weights: metric -> [tasks], with the best of the test steps where its k
        counts those; `done` is told how many tasks each chunk had."""
        plan = setting.plan
        at_once, count = plan.variant.testing.tasks_at_once, plan.budget.test_tasks
        found = evaluate(setting.method, setting.tasks, "test", count, at_once, done)
        return add_best_of_steps(found) if self.has_steps else found


def find_kept(cell: Cell, variant: str | None, results: Path) -> tuple[Path, Record]:
    """Return the record to explain: the published switches before others, the longest training, the
    cell's first variant, the lowest seed.

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
            *(len(s.record.protocol_differences), -s.record.iterations),
            *(names.index(s.record.variant), s.record.seed, str(s.folder)),
        ),
    )
    return best.folder, verify_files(best.folder)
