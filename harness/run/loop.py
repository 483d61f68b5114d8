"""One run from start to record: train (in one or two phases), select, test, write."""

from __future__ import annotations

import dataclasses
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from harness.catalog import replications_folder
from harness.measure.environment import environment, processor_name
from harness.measure.git_state import git_state
from harness.measure.memory import peak_device_bytes, peak_host_bytes
from harness.method import Method
from harness.methods.ensemble import Ensemble
from harness.records.curve_file import curve_csv
from harness.records.schema import MetricSummary, Record
from harness.records.scores_file import SCORES, scores_bytes
from harness.records.store import file_digests, verify_files, write_record
from harness.run.lock import locked
from harness.run.members import ENSEMBLES
from harness.run.operations import operations_per_step
from harness.run.plan import Plan
from harness.run.scores import Scores
from harness.run.testing import scores_so_far, test
from harness.run.training import Phase, Trace
from harness.tasks.source import TaskSource


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
    session = {
        **git_state(papers=replications_folder()),
        **{"device": plan.device.type, "engine": plan.engine, "captured": plan.capture},
        **{"processor": processor_name(), "threads": torch.get_num_threads()},
        **({"threads_from": threads.why} if threads is not None else {}),
    }
    if tasks.data():
        session["data"] = tasks.data_digest()
    training = dataclasses.replace(plan.variant.training, meta_batch=plan.budget.meta_batch)

    def phase(split: str, iterations: int, name: str) -> tuple[Method, Trace]:
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

    method, trace = phase("train", plan.budget.iterations, "train")
    operations = counted if counted_apart else trace.operations
    seconds, steps, curve = trace.seconds, trace.iteration, _whole_curve(trace)
    sessions = trace.sessions
    selected = trace.iteration
    if not trace.failure and training.selection == "best-validation" and trace.best_weights:
        method.load_weights(_on(plan.device, trace.best_weights))
        selected = trace.best_iteration
    elif not trace.failure and training.selection == "best-validation-then-retrain":
        # As long as the first phase took: its best iteration and the patience after it.
        method, trace2 = phase("trainval", trace.iteration, "retrain")
        trace = dataclasses.replace(trace, failure=trace2.failure, iteration=trace2.iteration)
        seconds, steps = seconds + trace2.seconds, steps + trace2.iteration
        sessions = [*sessions, *trace2.sessions]
        selected = trace2.iteration
    elif not trace.failure and training.selection in ENSEMBLES:
        method, selected = _ensemble(plan, method, trace)
    if not trace.failure and plan.budget.validation_tasks:
        method.finalise(tasks.batch("val", 0, plan.budget.validation_tasks))
    so_far = scores_so_far(plan, method, session, checkpoint_seconds)
    scores = {} if trace.failure else test(plan, method, tasks, so_far)
    files = {"curve.csv": curve_csv(curve)}
    if not trace.failure:
        files |= {SCORES: scores_bytes(scores), "weights.safetensors": weights_bytes(method)}
    tasks.check_data()
    record = _record(plan, tasks, trace, selected, scores, files)
    record = dataclasses.replace(record, data_note=_data_note(tasks, sessions))
    measurement = {
        "sessions": sessions,
        "tested": {**session, "end": datetime.now(UTC).isoformat(timespec="seconds")},
        "train_seconds": seconds,
        "test_seconds": so_far.seconds,
        "seconds_per_step": seconds / steps if steps else None,
        "peak_host_bytes": peak_host_bytes(),
        "peak_device_bytes": peak_device_bytes(plan.device),
        "operations_per_step": operations,
    }
    record = dataclasses.replace(record, measurement=measurement, environment=environment())
    folder = write_record(plan.results, record, files)
    so_far.remove()
    print(f"harness: {plan.label}: {record.status}, on record in {folder}", file=sys.stderr)
    return folder


def summary(values: np.ndarray) -> MetricSummary:
    """Sum up per-task scores."""
    if not np.isfinite(values).all():
        return MetricSummary(None, None, len(values), None)
    sd = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return MetricSummary(float(values.mean()), sd, len(values), 1.96 * sd / len(values) ** 0.5)


def weights_bytes(method: Method) -> bytes:
    """Give the weights as a safetensors file."""
    found: bytes = safetensors_bytes({k: v.cpu().contiguous() for k, v in method.weights().items()})
    return found


def _record(
    plan: Plan,
    tasks: TaskSource,
    trace: Trace,
    selected: int,
    scores: Scores,
    files: dict[str, bytes],
) -> Record:
    v = plan.variant
    return Record(
        paper=v.paper,
        cell=v.cell,
        variant=v.name,
        seed=plan.seed,
        budget=plan.budget.label,
        status="diverged" if trace.failure else "finished",
        status_note=trace.failure,
        iterations=trace.iteration,
        full_iterations=v.training.iterations,
        protocol=v.recorded(),
        protocol_differences=plan.differences(),
        config_digest=plan.config_digest(),
        training_digest=plan.training_digest(),
        data_digest=tasks.data_digest(),
        data_caveat=tasks.data_caveat(),
        synthetic=tasks.synthetic,
        tasks_digest="" if trace.failure else tasks.task_digest("test", plan.budget.test_tasks),
        selected_iteration=selected,
        validation=trace.best,
        metrics={name: summary(values) for name, values in scores.items()},
        files=file_digests(files),
    )


def _data_note(tasks: TaskSource, sessions: list[dict[str, Any]]) -> str:
    """Say what is wrong with the data, also that an earlier session trained on other ones."""
    here, note = tasks.data_digest(), tasks.data_note()
    others = sum(s.get("data", here) != here for s in sessions)
    trained = f"{others} of {len(sessions)} sessions trained on other images" if others else ""
    return "; ".join(filter(None, (note, trained)))


def _whole_curve(trace: Trace) -> list[tuple[int, float | None, float | None]]:
    """Give the curve, with the last stretch that no row was due for yet."""
    rows: list[tuple[int, float | None, float | None]] = list(trace.curve)
    if trace.loss_count and not trace.failure:
        rows.append((trace.iteration, trace.loss_sum / trace.loss_count, None))
    return rows


def _ensemble(plan: Plan, method: Method, trace: Trace) -> tuple[Method, int]:
    """Give the best weights together, and the iteration of the best; the last weights alone where
    no validation was due."""
    if not trace.members:
        last = {k: v.clone() for k, v in method.weights().items()}
        return Ensemble(method, {trace.iteration: last}), trace.iteration
    found = {m["iteration"]: _on(plan.device, m["weights"]) for m in trace.members}
    return Ensemble(method, found), trace.members[0]["iteration"]


def _on(device: torch.device, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k: v.to(device) for k, v in weights.items()}
