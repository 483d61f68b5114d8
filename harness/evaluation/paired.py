"""An outside model against a record, task by task."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.compare.statistics import paired_estimate
from harness.errors import HarnessError, closest
from harness.metric import read_metric
from harness.records.schema import Record
from harness.records.store import RECORD, StoredRecord, verify_files


@dataclass(frozen=True)
class Paired:
    """Mean difference, outside model - record, on the same tasks, in the unit of the metric."""

    record: str
    """The record's folder."""
    metric: str
    """Of the record: methods with test steps have several."""
    difference: float
    interval: float
    """Half-width of the paired 95 % t interval over test tasks."""
    p: float
    """Two-sided, against no difference."""

    def __str__(self) -> str:
        return (
            f"{self.difference:+.4g} ± {self.interval:.2g} against {self.metric} of {self.record}"
        )


@dataclass(frozen=True, eq=False)
class Recorded:
    """The scores of a record that a model is compared with."""

    record: str
    """The record's folder."""
    metric: str
    scores: np.ndarray
    """One per task, [n] float64, all finite."""


def recorded(folder: Path, metric: str | None, measured: str, digest: str) -> Recorded:
    """Read the scores of the record in `folder` that those of a model are compared with.

    `metric` is the record's that is meant: unless told, the one named as published tables would,
    `accuracy`, or else the one its run watched. It has to measure what the model is measured by,
    `accuracy` or `mse`. Raises HarnessError where it does not, or where the tasks are others.
    """
    if not (folder / RECORD).is_file():
        raise HarnessError(f"found no {folder / RECORD}, wanted a record's folder.")
    record = verify_files(folder)
    if record.status != "finished":
        raise HarnessError(f"{folder}: found a run that {record.status}, wanted one with scores.")
    if record.tasks_digest != digest:
        raise HarnessError(
            f"{folder}: its test tasks differ from these (digest {record.tasks_digest[:8]}, "
            f"here {digest[:8]}); wanted the same cell, switches and number of tasks."
        )
    alike = [m for m in record.metrics if read_metric(m).family == measured]
    name = _watched(record) if metric is None else metric
    if name not in alike:
        raise HarnessError(
            f"{folder}: found {'another' if name in record.metrics else 'no'} metric {name!r}"
            f"{closest(name, alike)}; these tasks are scored by {measured}: "
            f"wanted one of {', '.join(alike)} as record_metric."
        )
    theirs = StoredRecord(folder, record).scores[name]
    if not np.isfinite(theirs).all():
        raise HarnessError(f"{folder}: {name} is not finite on every task, so nothing is paired.")
    return Recorded(str(folder), name, theirs)


def against(other: Recorded, scores: np.ndarray) -> Paired:
    """Compare `scores` [n] with those of a record on the same tasks."""
    estimate = paired_estimate(scores[None], other.scores[None])
    return Paired(
        other.record, other.metric, estimate.value, estimate.half_width(), estimate.p_zero()
    )


def _watched(record: Record) -> str:
    if "accuracy" in record.metrics:
        return "accuracy"
    return str(record.protocol["training"]["validation_metric"])
