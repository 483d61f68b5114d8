"""An outside model against a record, task by task."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.compare.statistics import paired_estimate
from harness.errors import HarnessError, closest
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


def against(folder: Path, metric: str | None, scores: np.ndarray, digest: str) -> Paired:
    """Compare `scores` [n] with those of the record in `folder`.

    `metric` is the record's that is meant: unless told, the one named as published tables would,
    `accuracy`, or else the one its run watched. Raises HarnessError where the tasks are others.
    """
    if not (folder / RECORD).is_file():
        raise HarnessError(f"found no {folder / RECORD}, wanted a record's folder.")
    record = verify_files(folder)
    if record.status != "finished":
        raise HarnessError(f"{folder}: found a run that {record.status}, wanted one with scores.")
    if record.tasks_digest != digest:
        raise HarnessError(
            f"{folder}: its test tasks are others than these (digest {record.tasks_digest[:8]}, "
            f"here {digest[:8]}); wanted the same cell, switches and number of tasks."
        )
    name = metric or _watched(record)
    if name not in record.metrics:
        raise HarnessError(
            f"{folder}: found no metric {name!r}{closest(name, record.metrics)}; "
            f"wanted one of {', '.join(record.metrics)} as record_metric."
        )
    theirs = StoredRecord(folder, record).scores[name]
    if not np.isfinite(theirs).all():
        raise HarnessError(f"{folder}: {name} is not finite on every task, so nothing is paired.")
    found = paired_estimate(scores[None], theirs[None])
    return Paired(str(folder), name, found.value, found.half_width(), found.p_zero())


def _watched(record: Record) -> str:
    if "accuracy" in record.metrics:
        return "accuracy"
    return str(record.protocol["training"]["validation_metric"])
