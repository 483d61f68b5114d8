"""Budgets: `full` is the paper's own training length; anything less is a stated fraction."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import HarnessError
from harness.protocol import Testing, Training
from harness.ranges import Range
from harness.shown import shown

SMOKE_ITERATIONS = 1
SMOKE_META_BATCH, SMOKE_TASKS = 2, 2
"""At most, in a meta-batch, and in a validation and a test: a smoke run shows that all parts
work. It also trains on as many classes at once as are tested, where that is fewer
(`TaskSource.train_on_few_classes`)."""


@dataclass(frozen=True)
class Budget:
    """How much of the published setting a run does."""

    label: str
    """`full`, a fraction such as `0.1`, or `smoke`."""
    iterations: int
    """Meta-iterations (of each phase, where there are two)."""
    meta_batch: int
    """Tasks in each; the protocol's, but in a smoke run."""
    validation_tasks: int
    test_tasks: int


def share(label: str) -> float:
    """Return the part of a full training that a label states; a smoke run is none."""
    return {"full": 1.0, "smoke": 0.0}[label] if label.isalpha() else float(label)


def budget(label: str, training: Training, testing: Testing) -> Budget:
    """Read `full`, `smoke` or a fraction in (0, 1]."""
    tasks = (training.validation_tasks, testing.tasks)
    if label == "full":
        if not training.patience and training.iteration_cap != training.iterations:
            raise HarnessError(
                f"training.iteration_cap: found {training.iteration_cap}, wanted "
                f"{training.iterations}, as training.iterations says: without patience nothing "
                f"else ends training; set both."
            )
        return Budget("full", training.iteration_cap, training.meta_batch, *tasks)
    if label == "smoke":
        iterations = min(SMOKE_ITERATIONS, training.iterations)
        meta_batch = min(SMOKE_META_BATCH, training.meta_batch)
        return Budget("smoke", iterations, meta_batch, *(min(SMOKE_TASKS, n) for n in tasks))
    try:
        fraction = Range(0, 1, above=True).real(label)
    except HarnessError:
        raise HarnessError(
            f"found budget {shown(label)}; wanted full, smoke or a fraction of the paper's "
            f"training length, such as 0.1."
        ) from None
    if fraction == 1:
        return budget("full", training, testing)
    iterations = max(1, round(fraction * training.iterations))
    return Budget(f"{fraction:g}", iterations, training.meta_batch, *tasks)
