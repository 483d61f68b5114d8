"""`harness.evaluate`: any callable on a cell's own test episodes, by the records' statistics.

Query examples are shown in an order drawn for each task, by the cell's own task seed: episodes are
laid out class by class, and a model that answers by position would otherwise be right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.catalog import find_cell
from harness.errors import HarnessError
from harness.outside.paired import Paired, against
from harness.outside.predictions import scores
from harness.run.loop import summary
from harness.run.plan import choose_device
from harness.tasks.batch import SupervisedBatch
from harness.tasks.registry import task_source
from harness.tasks.source import BLOCK, TaskSource

Model = Callable[[Tensor, Tensor, Tensor], Any]
_QUERY_ORDER = 1000  # a stream that no task source draws from


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` gives. Accuracies are in percent, `mse` in the square of the task's unit."""

    cell: str
    """`paper/cell/variant` whose test tasks these are."""
    metric: str
    """`accuracy` or `mse`."""
    scores: np.ndarray
    """One score a task, [n] float64."""
    mean: float
    ci95: float
    """Half-width of the 95 % interval over test tasks, 1.96 sd / sqrt(n), as in records."""
    n: int
    tasks_digest: str
    """sha256 of the tasks: a record with the same was tested on the same ones."""
    synthetic: bool
    """True on stand-in data: such a number is held against no paper."""
    paired: Paired | None
    """Difference from the record that was given, if one was."""

    def __str__(self) -> str:
        unit = " %" if self.metric == "accuracy" else ""
        text = (
            f"{self.cell}: {self.metric} {self.mean:.4g} ± {self.ci95:.2g}{unit} ({self.n} tasks)"
        )
        return text if self.paired is None else f"{text}; {self.paired}"


def evaluate(
    cell: str,
    model: Model,
    *,
    variant: str | None = None,
    batched: bool = False,
    overrides: dict[str, Any] | None = None,
    device: str = "cpu",
    record: str | Path | None = None,
    record_metric: str | None = None,
) -> Evaluation:
    """Test `model` on the test tasks of `cell` (`paper/cell`), the same ones for every model.

    `model(support_x, support_y, query_x)` answers for one task: x [S or Q, …], y [S] int64 in
    0 … ways-1; it gives classes [Q] (integers) or scores [Q, ways] (floating). For regression y is
    [S, 1] and the answer [Q, 1]. With `batched` everything has a leading axis of tasks, as many as
    `testing.tasks_at_once` says (fewer at the end). It may train as it likes: gradients are on.

    `overrides` are switches as `--set` has them, e.g. `{"testing.tasks": 100}`; `variant` is the
    cell's first unless told. `record` is a record's folder: the difference is taken task by task.

    Raises HarnessError for an unknown cell or switch, tasks that are not supervised, predictions of
    a wrong shape or type, and a record of other tasks.
    """
    found = find_cell(cell)
    v = found.variant(variant or found.names()[0], overrides)
    source = task_source(v.task_source)
    tasks = source(v.tasks, 0, v.testing.task_seed, choose_device(device))
    tasks.end_training()
    n = v.testing.tasks
    if n < 2:
        raise HarnessError(f"testing.tasks: found {n}, wanted 2 or more for an interval.")
    parts, metric = [], ""
    for batch, order in _shown(tasks, n, v.testing.tasks_at_once, v.key):
        ways = None if batch.support_y.is_floating_point() else int(batch.support_y.max()) + 1
        metric = "mse" if ways is None else "accuracy"
        answer = _answers(model, batch, order, batched)
        parts += [scores(a, y, ways) for a, y in answer]
    each = np.concatenate(parts)
    if not np.isfinite(each).all():
        raise HarnessError(f"{v.key}: found a {metric} that is not finite, wanted numbers.")
    found_mean, digest = summary(each), tasks.task_digest("test", n)
    assert found_mean.mean is not None
    assert found_mean.ci95 is not None
    pair = against(Path(record), record_metric, each, digest) if record is not None else None
    return Evaluation(
        cell=v.key,
        metric=metric,
        scores=each,
        mean=found_mean.mean,
        ci95=found_mean.ci95,
        n=n,
        tasks_digest=digest,
        synthetic=tasks.synthetic,
        paired=pair,
    )


def _shown(
    tasks: TaskSource, count: int, at_once: int, key: str
) -> Iterator[tuple[SupervisedBatch, Tensor]]:
    """Give test tasks in batches with the order [T, Q] in which query examples are shown."""
    for first in range(0, count, at_once):
        batch = tasks.batch("test", first, min(at_once, count - first))
        if not isinstance(batch, SupervisedBatch):
            raise HarnessError(
                f"{key}: found tasks without support and query sets, wanted supervised ones; "
                "`harness list` shows other cells."
            )
        queries = batch.query_y.shape[1]
        rows = [_order(tasks, i, queries) for i in range(first, first + len(batch))]
        yield batch, torch.from_numpy(np.stack(rows)).to(batch.query_x.device)


def _order(tasks: TaskSource, task: int, queries: int) -> np.ndarray:
    block, row = divmod(task, BLOCK)
    return tasks.generator("test", block, _QUERY_ORDER + row).permutation(queries)


def _answers(
    model: Model, batch: SupervisedBatch, order: Tensor, batched: bool
) -> Iterator[tuple[Any, Tensor]]:
    """Ask the model; give answers with their targets, each with an axis of tasks."""
    rows = torch.arange(len(batch), device=order.device)[:, None]
    query_x, query_y = batch.query_x[rows, order], batch.query_y[rows, order]
    if batched:
        yield model(batch.support_x, batch.support_y, query_x), query_y
        return
    for t in range(len(batch)):
        answer = model(batch.support_x[t], batch.support_y[t], query_x[t])
        one = answer[None] if isinstance(answer, Tensor | np.ndarray) else answer
        yield one, query_y[t : t + 1]
