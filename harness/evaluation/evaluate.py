"""`harness.evaluate`: any callable on a cell's own test episodes, by the records' statistics.

Query examples are shown in an order drawn for each task, by the cell's own task seed: episodes are
laid out class by class, and a model that answers by position would otherwise be right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.catalog import Variant, find_cell
from harness.compare.statistics import check_there, task_estimate
from harness.errors import HarnessError
from harness.evaluation.arguments import check_kinds, exact_device, plain_overrides, record_folder
from harness.evaluation.paired import Paired, against, recorded
from harness.evaluation.predictions import scores
from harness.progress import Progress
from harness.run.setup import switch_differences
from harness.tasks.batch import SupervisedBatch
from harness.tasks.source import BLOCK, TaskSource

Model = Callable[[Tensor, Tensor, Tensor], Any]
_QUERY_ORDER = 1000  # a stream that no task source draws from


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate` gives. Accuracies are in percent, `mse` in the square of the task's unit."""

    cell: str
    """`paper/cell/variant` whose test tasks these are, but for `differences`."""
    metric: str
    """`accuracy` or `mse`."""
    scores: np.ndarray
    """One score per task, [n] float64."""
    mean: float
    ci95: float
    """Half-width of the 95 % t interval over test tasks, as in tables."""
    n: int
    tasks_digest: str
    """sha256 of the tasks: a record with the same was tested on the same ones."""
    synthetic: bool
    """True on stand-in data: such a number is compared with no paper."""
    paired: Paired | None
    """Difference from the record that was given, if one was."""
    differences: tuple[str, ...] = ()
    """Switches that overrides changed, as `section.switch: the variant's -> used`."""

    def __str__(self) -> str:
        unit = " %" if self.metric == "accuracy" else ""
        of = f"{self.n} tasks of stand-in data" if self.synthetic else f"{self.n} tasks"
        whose = f"{self.cell} ({'; '.join(self.differences)})" if self.differences else self.cell
        text = f"{whose}: {self.metric} {self.mean:.4g} ± {self.ci95:.2g}{unit} ({of})"
        return text if self.paired is None else f"{text}; {self.paired}"


def evaluate(
    cell: str,
    model: Model,
    *,
    variant: str | None = None,
    batched: bool = False,
    overrides: dict[str, Any] | None = None,
    device: str | torch.device = "cpu",
    record: str | PathLike[str] | None = None,
    record_metric: str | None = None,
) -> Evaluation:
    """Test `model` on the test tasks of `cell` (`paper/cell`), the same ones for every model.

    `model(support_x, support_y, query_x)` answers for one task: x [S or Q, …], y [S] int64 in
    0 … ways-1; it gives classes [Q] (integers) or scores [Q, ways] (floating). For regression y is
    [S, 1] and the answer [Q, 1]. With `batched` everything has a leading axis of tasks, as many as
    `testing.tasks_at_once` says (fewer at the end). It may train as it likes: gradients are on,
    also inside `torch.no_grad()` or `torch.inference_mode()`, and what it is given is its own.

    `overrides` are switches as `--set` has them, e.g. `{"testing.tasks": 100}`; `variant` is the
    cell's first unless told. `device` is where the tasks are: `cpu`, `cuda`, `cuda:1`, `auto`, or a
    `torch.device`. `record` is a record's folder: the difference is taken task by task. Several
    threads may evaluate at once. A line of progress on standard error says how far it is.

    Raises HarnessError for an unknown cell, switch or device, arguments of a wrong kind, tasks that
    are not supervised, predictions of a wrong shape or type, and a record of other tasks. What the
    model itself raises comes through, with a note that says on which tasks.
    """
    check_kinds(cell, model, variant, batched)
    folder = record_folder(record, record_metric)
    chosen = find_cell(cell)
    name = chosen.names()[0] if variant is None else variant
    v = chosen.variant(name, plain_overrides(overrides))
    check_there()
    where = exact_device(device)
    if v.testing.tasks < 2:
        raise HarnessError(
            f"testing.tasks: found {v.testing.tasks}, wanted 2 or more for an interval."
        )
    # Not the caller's modes: a fine-tuned model needs gradients, and the images that are kept for
    # the process must not become tensors that refuse them.
    with torch.inference_mode(False), torch.enable_grad():
        tasks = v.task_source_class(v.tasks, 0, v.testing.task_seed, where)
        tasks.end_training()
        metric, n = _metric(tasks, v.key), v.testing.tasks
        digest = tasks.task_digest("test", n)
        # Checked before the model is asked: a mistake should not cost its time.
        other = None if folder is None else recorded(folder, record_metric, metric, digest)
        progress = Progress(f"{v.key}, test tasks", n)
        try:
            each = np.concatenate(list(_scores(model, tasks, v, batched, progress)))
        finally:
            progress.close()
    if not np.isfinite(each).all():
        raise HarnessError(f"{v.key}: found a {metric} that is not finite, wanted numbers.")
    mean = task_estimate(each[None])
    return Evaluation(
        cell=v.key,
        metric=metric,
        scores=each,
        mean=mean.value,
        ci95=mean.half_width(),
        n=n,
        tasks_digest=digest,
        synthetic=tasks.synthetic,
        paired=None if other is None else against(other, each),
        differences=tuple(switch_differences(chosen.variant(name), v)),
    )


def _metric(tasks: TaskSource, key: str) -> str:
    """Name what the answers on these tasks are scored by."""
    first = tasks.batch("test", 0, 1)
    if not isinstance(first, SupervisedBatch):
        raise HarnessError(
            f"{key}: found tasks without support and query sets, wanted supervised ones; "
            "`harness list` shows other cells."
        )
    return "mse" if first.support_y.is_floating_point() else "accuracy"


def _scores(
    model: Model, tasks: TaskSource, v: Variant, batched: bool, progress: Progress
) -> Iterator[np.ndarray]:
    """Ask the model about all test tasks, some at a time; return the scores."""
    count, at_once = v.testing.tasks, v.testing.tasks_at_once
    for first in range(0, count, at_once):
        batch: SupervisedBatch = tasks.batch("test", first, min(at_once, count - first))
        ways = None if batch.support_y.is_floating_point() else int(batch.support_y.max()) + 1
        order = _order(tasks, first, batch)
        rows = torch.arange(len(batch), device=order.device)[:, None]
        targets = batch.query_y[rows, order]
        # Clones: a model may write into what it is given, and tasks may share memory.
        given = [batch.support_x.clone(), batch.support_y.clone(), batch.query_x[rows, order]]
        if batched:
            last = first + len(batch) - 1
            answer = _answer(model, given, f"test tasks {first} to {last} of {v.key}")
            yield scores(answer, targets, ways)
            progress.add(len(batch))
            continue
        for t in range(len(batch)):
            answer = _answer(model, [x[t] for x in given], f"test task {first + t} of {v.key}")
            # A nested tensor takes no leading axis; `scores` refuses it as it is.
            plain = isinstance(answer, Tensor | np.ndarray) and not getattr(answer, "is_nested", 0)
            yield scores(answer[None] if plain else answer, targets[t : t + 1], ways)
            progress.add(1)


def _answer(model: Model, given: list[Tensor], of: str) -> Any:
    try:
        return model(*given)
    except Exception as e:
        e.add_note(f"The model raised this in harness.evaluate, on {of}.")
        raise


def _order(tasks: TaskSource, first: int, batch: SupervisedBatch) -> Tensor:
    """Return the order [T, Q] in which the query examples of tasks `first` … are shown."""
    queries = batch.query_y.shape[1]
    rows = []
    for task in range(first, first + len(batch)):
        block, row = divmod(task, BLOCK)
        rows.append(tasks.generator("test", block, _QUERY_ORDER + row).permutation(queries))
    return torch.from_numpy(np.stack(rows)).to(batch.query_x.device)
