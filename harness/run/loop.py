"""One run from start to record: train (in one or two phases), select; then test and write."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

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
from harness.run.plan import Plan
from harness.run.training import Phase, TrainingState


def run(plan: Plan, checkpoint_seconds: float = 20.0) -> Path:
    """Do a run (or go on with it) and give the folder of its record."""
    there = plan.record_folder()
    if there.exists():
        verify_files(there)
        print(f"harness: {plan.label} is on record already: {there}", file=sys.stderr)
        return there
    with locked(plan.folder()):
        return _run(plan, checkpoint_seconds)


def _run(plan: Plan, checkpoint_seconds: float) -> Path:
    tasks = plan.tasks()
    tasks.check_data()  # before hours of training, and again before the record
    counted_apart = not plan.method_class.counted_in_training
    decides = plan.threads is not None and plan.threads.at_most and plan.device.type == "cpu"
    counted = operations_per_step(plan, tasks) if counted_apart or decides else None
    threads = plan.threads.for_work(counted) if plan.threads and decides else plan.threads
    if threads is not None:
        torch.set_num_threads(threads.count)
    session = session_of(plan, threads.why if threads else "")
    if tasks.data():
        session["data"] = tasks.data_digest()
    training = dataclasses.replace(plan.variant.training, meta_batch=plan.budget.meta_batch)

    def phase(split: str, iterations: int, name: str) -> tuple[Method, TrainingState]:
        method, apart = plan.method(tasks), plan.folder() / f"{name}-{iterations}"
        found = Phase(
            method,
            tasks,
            training,
            split,
            iterations,
            plan.budget.validation_tasks,
            plan.variant.testing.tasks_at_once,
            apart if name != "train" else plan.folder() / name,
            plan.label if name == "train" else f"{plan.label}, {name}",
            checkpoint_seconds,
            session,
            plan.whose(name),
            plan.capture,
            apart,
        )
        return method, found.run()

    method, state = phase("train", plan.budget.iterations, "train")
    operations = counted if counted_apart else state.operations
    seconds, steps, curve = state.seconds, state.iteration, _whole_curve(state)
    sessions = state.sessions
    selected = state.iteration
    if not state.failure and training.selection == "best-validation" and state.best_weights:
        method.load_weights(_on(plan.device, state.best_weights))
        selected = state.best_iteration
    elif not state.failure and training.selection == "best-validation-then-retrain":
        # As long as the first phase took: its best iteration and the patience after it.
        method, retrained = phase("trainval", state.iteration, "retrain")
        state = dataclasses.replace(state, failure=retrained.failure, iteration=retrained.iteration)
        seconds, steps = seconds + retrained.seconds, steps + retrained.iteration
        sessions = [*sessions, *retrained.sessions]
        selected = retrained.iteration
    elif not state.failure and training.selection in ENSEMBLES:
        method, selected = _ensemble(plan, method, state)
    if not state.failure and plan.budget.validation_tasks:
        method.finalise(tasks.batch("val", 0, plan.budget.validation_tasks))
    trained = Trained(
        failure=state.failure,
        iteration=state.iteration,
        selected=selected,
        validation=state.best,
        note="" if state.failure else method.training_note(),
        curve=curve_csv(curve),
        digest=plan.training_digest(),
        sessions=sessions,
        seconds=seconds,
        seconds_per_step=seconds / steps if steps else None,
        operations=operations,
    )
    return put_on_record(plan, tasks, method, trained, session, checkpoint_seconds)


def _whole_curve(state: TrainingState) -> list[tuple[int, float | None, float | None]]:
    """Return the curve, with the last stretch that no row was due for yet."""
    rows: list[tuple[int, float | None, float | None]] = list(state.curve)
    if state.loss_count and not state.failure:
        rows.append((state.iteration, state.loss_sum / state.loss_count, None))
    return rows


def _ensemble(plan: Plan, method: Method, state: TrainingState) -> tuple[Method, int]:
    """Return the best weights together, and the iteration of the best; the last weights alone where
    no validation was due."""
    if not state.members:
        last = {k: v.clone() for k, v in method.weights().items()}
        return Ensemble(method, {state.iteration: last}), state.iteration
    found = {m["iteration"]: _on(plan.device, m["weights"]) for m in state.members}
    return Ensemble(method, found), state.members[0]["iteration"]


def _on(device: torch.device, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k: v.to(device) for k, v in weights.items()}
