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
from harness.metric import with_best_of_steps
from harness.records.schema import Record
from harness.records.store import WEIGHTS, find_records, verify_files
from harness.run.kept_weights import (
    Assembled,
    assemble,
    check_cell,
    check_weights_kept,
    has_weights,
    read_weights,
    record_overrides,
    setup_of,
)
from harness.run.scores import Scores, add_best_of_steps, evaluate, open_test
from harness.stated import STEPS_AT_TEST


@dataclass(frozen=True)
class Retest(Assembled):
    """A test before it is done: what is tested, on what."""

    @cached_property
    def signature(self) -> str:
        """sha256 of tasks, what the method sees of them and method switches: equal ones give equal
        scores. What is seen is looked at on the first tasks."""
        count = self.setup.budget.test_tasks
        sha256 = hashlib.sha256(self.tasks.task_digest("test", count).encode())
        sha256.update(repr(self.setup.variant.method).encode())
        batch = self.tasks.batch("test", 0, min(4, count))
        for field in dataclasses.fields(batch):
            x = getattr(batch, field.name)
            if isinstance(x, Tensor):
                sha256.update(f"{field.name} {x.dtype} {tuple(x.shape)}".encode())
                sha256.update(x.cpu().contiguous().numpy().tobytes())
        return sha256.hexdigest()

    def metrics(self) -> tuple[str, ...]:
        """Name what the test gives, and the best of its steps."""
        return with_best_of_steps(self.method.metrics(self.setup.variant.method))


class Kept:
    """One trained checkpoint; the test split is open, as its training has ended."""

    def __init__(self, cell: Cell, folder: Path, record: Record, device: torch.device) -> None:
        check_cell(folder, record, cell)
        check_weights_kept(folder, record)
        self.cell, self.folder, self.record, self.device = cell, folder, record, device
        self.published = cell.variant(record.variant)
        self.protocol = self.published.stated.complete(record.protocol)
        self.overrides = record_overrides(record, self.published)
        self.weights: dict[str, Tensor] = read_weights(folder / WEIGHTS, device.type)

    @property
    def has_steps(self) -> bool:
        """Whether k of the metrics name@k counts test steps."""
        return self.published.stated.counted == STEPS_AT_TEST

    def retest(self, changed: Mapping[str, Any], count: int) -> Retest:
        """Prepare the test with `changed` switches on `count` tasks: the method has the kept
        weights, and what it estimates beside them from training tasks (of the record's seed)."""
        setup = setup_of(self.record, self.cell, self.device, changed)
        setup = dataclasses.replace(
            setup, budget=dataclasses.replace(setup.budget, test_tasks=count)
        )
        same_images = None if changed else self.record
        ready = assemble(self.weights, self.folder / WEIGHTS, setup, same_images)
        open_test(ready.method, ready.tasks, setup.variant.testing.tasks_at_once)
        return Retest(ready.setup, ready.tasks, ready.method)

    def scores(self, retest: Retest, done: Callable[[int], None]) -> Scores:
        """Score the kept weights: metric -> [tasks], with the best of the test steps where its k
        counts those; `done` is told how many tasks each chunk had."""
        setup = retest.setup
        at_once, count = setup.variant.testing.tasks_at_once, setup.budget.test_tasks
        scores = evaluate(retest.method, retest.tasks, "test", count, at_once, done)
        return add_best_of_steps(scores) if self.has_steps else scores


def find_kept(cell: Cell, variant: str | None, results: Path) -> tuple[Path, Record]:
    """Return the record to explain: the published switches before others, the longest training, the
    cell's first variant, the lowest seed.

    Raises HarnessError where no finished run of the cell (and variant) has weights on record.
    """
    if variant is not None:
        cell.variant(variant)
    names = list(cell.variants)
    candidates = [
        s
        for s in find_records(results)
        if (s.record.paper, s.record.cell) == (cell.paper, cell.name)
        and s.record.variant in ([variant] if variant else names)
        and has_weights(s.record)
    ]
    if not candidates:
        what = f"{cell.key}/{variant}" if variant else cell.key
        raise HarnessError(
            f"found no trained weights of {what} in {results}; run `harness run {cell.key}` first."
        )
    best = min(
        candidates,
        key=lambda s: (
            *(len(s.record.protocol_differences), -s.record.iterations),
            *(names.index(s.record.variant), s.record.seed, str(s.folder)),
        ),
    )
    return best.folder, verify_files(best.folder)
