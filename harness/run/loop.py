"""One run from start to record: train (in one or two phases), select; then test and write."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.method import Method
from harness.methods.ensemble import Ensemble
from harness.records.curve_file import curve_csv
from harness.records.store import verify_files
from harness.run.lock import locked
from harness.run.members import ENSEMBLES
from harness.run.on_record import Trained, put_on_record, session_of
from harness.run.operations import operations_per_step
from harness.run.phase_settings import RETRAIN, TRAIN, phase_settings
from harness.run.plan import Plan
from harness.run.threads import Threads
from harness.run.training import Phase, TrainingState
from harness.tasks.source import TaskSource


def run(plan: Plan, checkpoint_seconds: float = 20.0) -> Path:
    """Do a run, or resume it, and return the folder of its record."""
    there = plan.record_folder()
    if there.exists():
        verify_files(there)
        print(f"harness: {plan.setup.label} is on record already: {there}", file=sys.stderr)
        return there
    with locked(plan.folder()):
        ready = _prepare(plan, checkpoint_seconds)
        method, state = _train(ready, TRAIN, plan.setup.budget.iterations)
        selected = _select(ready, method, state)
        _finalise(ready, selected)
        return _record(ready, selected)


@dataclass(frozen=True)
class Ready:
    """A run that is ready to begin."""

    plan: Plan
    tasks: TaskSource
    session: dict[str, Any]
    """The session of this process."""
    operations: int | None
    """Operations of a training step, where they were counted beforehand."""
    checkpoint_seconds: float


@dataclass(frozen=True)
class Selected:
    """The weights that are tested, and what trained them."""

    method: Method
    iteration: int
    """Whose weights the method has."""
    phases: Sequence[TrainingState]
    """What each phase of the training left; the last one may have failed."""

    @property
    def failure(self) -> str:
        """Why there are no weights to be tested; '' where there are."""
        return self.phases[-1].failure


def _prepare(plan: Plan, checkpoint_seconds: float) -> Ready:
    """Build the tasks, check their data, count a step where that is needed, and take threads."""
    tasks = plan.setup.tasks()
    tasks.check_data()  # before hours of training, and again before the record
    operations, threads = _operations_and_threads(plan, tasks)
    if threads is not None:
        torch.set_num_threads(threads.count)
    session = session_of(plan, tasks, threads.why if threads else "")
    return Ready(plan, tasks, session, operations, checkpoint_seconds)


def _operations_and_threads(plan: Plan, tasks: TaskSource) -> tuple[int | None, Threads | None]:
    """Return the operations of a step, where it is counted apart or where they decide how many
    threads it takes, and these threads."""
    setup, most = plan.setup, plan.threads
    decide = most is not None and most.at_most and setup.device.type == "cpu"
    if setup.method_class.counted_in_training and not decide:
        return None, most
    operations = operations_per_step(setup, tasks)
    return operations, most.for_work(operations) if most and decide else most


def _train(ready: Ready, phase: str, iterations: int) -> tuple[Method, TrainingState]:
    """Train a fresh method, or one from a checkpoint of this phase."""
    session, seconds = ready.session, ready.checkpoint_seconds
    settings = phase_settings(ready.plan, phase, iterations, session, seconds)
    method = ready.plan.setup.method(ready.tasks)
    return method, Phase(method, ready.tasks, settings).run()


def _select(ready: Ready, method: Method, state: TrainingState) -> Selected:
    """Choose the weights to test, as the protocol says: this may train again."""
    setup = ready.plan.setup
    selection = setup.variant.training.selection
    if state.failure:
        return Selected(method, state.iteration, [state])
    if selection == "best-validation" and state.best_weights:
        method.load_weights(_on(setup.device, state.best_weights))
        return Selected(method, state.best_iteration, [state])
    if selection == "best-validation-then-retrain":
        # As long as the first phase took: its best iteration and the patience after it.
        again, last = _train(ready, RETRAIN, state.iteration)
        return Selected(again, last.iteration, [state, last])
    if selection in ENSEMBLES:
        return _ensemble(setup.device, method, state)
    return Selected(method, state.iteration, [state])


def _ensemble(device: torch.device, method: Method, state: TrainingState) -> Selected:
    """Select the best weights together, whose iteration is that of the best; the last weights alone
    where no validation was due."""
    if not state.members:
        last = {k: v.clone() for k, v in method.weights().items()}
        return Selected(Ensemble(method, {state.iteration: last}), state.iteration, [state])
    members = {m["iteration"]: _on(device, m["weights"]) for m in state.members}
    return Selected(Ensemble(method, members), state.members[0]["iteration"], [state])


def _finalise(ready: Ready, selected: Selected) -> None:
    """Let the method make the choices that it makes after training, on validation tasks."""
    count = ready.plan.setup.budget.validation_tasks
    if count and not selected.failure:
        selected.method.finalise(ready.tasks.batch("val", 0, count))


def _record(ready: Ready, selected: Selected) -> Path:
    """Test the weights and put everything on record; return the record's folder."""
    phases, setup = selected.phases, ready.plan.setup
    first, last = phases[0], phases[-1]
    seconds, steps = sum(p.seconds for p in phases), sum(p.iteration for p in phases)
    in_training = setup.method_class.counted_in_training
    trained = Trained(
        failure=selected.failure,
        iteration=last.iteration,
        selected=selected.iteration,
        validation=first.best,
        note="" if selected.failure else selected.method.training_note(),
        curve=curve_csv(_whole_curve(first)),
        digest=setup.training_digest(),
        sessions=[session for p in phases for session in p.sessions],
        seconds=seconds,
        seconds_per_step=seconds / steps if steps else None,
        operations=first.operations if in_training else ready.operations,
    )
    every = ready.checkpoint_seconds
    return put_on_record(ready.plan, ready.tasks, selected.method, trained, ready.session, every)


def _whole_curve(state: TrainingState) -> list[tuple[int, float | None, float | None]]:
    """Return the curve, with the last stretch that no row was due for yet."""
    rows: list[tuple[int, float | None, float | None]] = list(state.curve)
    if state.loss_count and not state.failure:
        rows.append((state.iteration, state.loss_sum / state.loss_count, None))
    return rows


def _on(device: torch.device, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k: v.to(device) for k, v in weights.items()}
