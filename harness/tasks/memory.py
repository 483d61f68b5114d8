"""The memory of a batch of tasks, computed from the switches alone: before anything is read or
drawn.

Every task source says how many bytes a batch of its tasks takes (`TaskSource.batch_bytes`). What no
machine should be asked for is refused when the switches are read, so that a cell is right or wrong
wherever it is read, and what this machine does not have before the batch is drawn.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from harness.errors import HarnessError
from harness.protocol import Testing, Training

MOST_BYTES = 64 * 2**30
"""For the tasks of one batch, whatever the machine."""
_SWITCHES = {"val": "training.validation_tasks", "test": "testing.tasks_at_once"}


def check_batches(
    source: Any, settings: Any, training: Training, testing: Testing, where: str
) -> None:
    """Refuse switches by which a batch of training, validation or test needs over `MOST_BYTES`.

    `source` is a class of task sources and `settings` are its switches; `where` names the variant.
    """
    batches = {
        "train": training.meta_batch,
        # A method may look at them all together when training has ended (`Method.finalise`).
        "val": training.validation_tasks,
        "test": min(testing.tasks_at_once, testing.tasks),
    }
    for split, count in batches.items():
        if count:
            needed = source.batch_bytes(settings, split, count)
            check_batch(split, count, needed, MOST_BYTES, f"{where}: ")


def check_batch(split: str, count: int, needed: int, most: int, where: str = "") -> None:
    """Raise HarnessError where `count` tasks of `split` need more bytes than `most`."""
    if needed > most:
        raise HarnessError(
            f"{where}found {count} {split} tasks of {_gib(needed)} together, wanted at most "
            f"{_gib(most)}; set {_SWITCHES.get(split, 'training.meta_batch')} lower or make each "
            "task smaller (section tasks)."
        )


@cache
def machine_bytes() -> int:
    """Return the bytes of memory that this machine has; `MOST_BYTES` where it does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not a Unix
        return MOST_BYTES


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
