"""What one phase of a training does, and where its checkpoints are."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.protocol import Training
from harness.run import checkpoint
from harness.run.plan import Plan

TRAIN, RETRAIN = "train", "retrain"
"""The phases; the second one is there where a selection trains again, on validation classes too."""
_SPLIT = {TRAIN: "train", RETRAIN: "trainval"}


@dataclass(frozen=True)
class PhaseSettings:
    """One phase, before it begins."""

    training: Training
    """Its meta-batch has as many tasks as the budget says."""
    split: str
    """Which classes its tasks are drawn from."""
    iterations: int
    validation_tasks: int
    tasks_at_once: int
    """Tasks of a validation that are scored together."""
    label: str
    """What progress lines call it."""
    folder: Path
    """Where its checkpoints are."""
    shorter: Path
    """Where they are if those in `folder` are of a longer training already."""
    whose: checkpoint.Run
    """The run that its checkpoints belong to."""
    session: dict[str, Any]
    """The session of this process (`on_record.session_of`)."""
    checkpoint_seconds: float
    """Between two checkpoints."""
    capture: bool
    """Whether steps are replayed from one captured CUDA graph."""

    @property
    def is_first(self) -> bool:
        """Whether it is validated and may be stopped early."""
        return self.split == "train"


def phase_settings(
    plan: Plan, name: str, iterations: int, session: dict[str, Any], checkpoint_seconds: float
) -> PhaseSettings:
    """Return the settings of the phase `name` of a plan's training, `iterations` long at most."""
    setup, of_this_length = plan.setup, plan.folder() / f"{name}-{iterations}"
    first = name == TRAIN
    return PhaseSettings(
        training=dataclasses.replace(setup.variant.training, meta_batch=setup.budget.meta_batch),
        split=_SPLIT[name],
        iterations=iterations,
        validation_tasks=setup.budget.validation_tasks,
        tasks_at_once=setup.variant.testing.tasks_at_once,
        label=setup.label if first else f"{setup.label}, {name}",
        folder=plan.folder() / name if first else of_this_length,
        shorter=of_this_length,
        whose=plan.whose(name),
        session=session,
        checkpoint_seconds=checkpoint_seconds,
        capture=plan.capture,
    )
