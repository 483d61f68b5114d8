"""The end of a run: its weights are tested, and everything is put on record."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as safetensors_bytes

from harness.catalog import replications_folder
from harness.measure.environment import environment, processor_name
from harness.measure.git_state import git_state
from harness.measure.memory import peak_device_bytes, peak_host_bytes
from harness.method import Method
from harness.records.schema import MetricSummary, Record
from harness.records.scores_file import SCORES, scores_bytes
from harness.records.store import CURVE, WEIGHTS, file_digests, write_record
from harness.run.plan import Plan
from harness.run.scores import Scores
from harness.run.testing import scores_so_far, test
from harness.tasks.source import TaskSource


@dataclass(frozen=True)
class Trained:
    """What a training leaves beside the weights of its method, over all its phases and sessions."""

    failure: str
    iteration: int
    selected: int
    """Iteration whose weights the method has."""
    validation: float | None
    curve: bytes
    """`curve.csv`."""
    digest: str
    """Of the training, for the record."""
    sessions: list[dict[str, Any]]
    seconds: float | None
    seconds_per_step: float | None
    operations: int | None
    """Of a step."""
    peak_host_bytes: int = 0
    """Of a process before this one, 0 without one."""
    peak_device_bytes: int = 0
    note: str = ""
    """What the method says about its training."""
    weights_of: str = ""
    """The result's digest of the record that kept the weights; '' where this run trained them."""


def session_of(plan: Plan, tasks: TaskSource, threads_from: str = "") -> dict[str, Any]:
    """Return the session of `plan` in this process: code, device, engine, threads (and why),
    images."""
    setup = plan.setup
    return {
        **git_state(papers=replications_folder()),
        **{"device": setup.device.type, "engine": setup.engine, "captured": plan.capture},
        **{"processor": processor_name(), "threads": torch.get_num_threads()},
        **({"threads_from": threads_from} if threads_from else {}),
        **({"data": tasks.data_digest()} if tasks.data() else {}),
    }


def put_on_record(
    plan: Plan,
    tasks: TaskSource,
    method: Method,
    trained: Trained,
    session: dict[str, Any],
    every: float,
) -> Path:
    """Test `method` as `plan` says, unless its training failed; write the record, return its
    folder. Scores are saved every few seconds, so that a stopped test resumes from there."""
    verb = "evaluate" if trained.weights_of else "run"
    so_far = scores_so_far(plan, method, session, every, verb)
    scores = {} if trained.failure else test(plan.setup, method, tasks, so_far)
    files = {CURVE: trained.curve}
    if not trained.failure:
        files |= {SCORES: scores_bytes(scores), WEIGHTS: weights_bytes(method)}
    tasks.check_data()
    record = _record(plan, tasks, trained, scores, files)
    tested = {**session, "end": datetime.now(UTC).isoformat(timespec="seconds")}
    if trained.weights_of:
        tested["weights_of"] = trained.weights_of
    measurement = {
        "sessions": trained.sessions,
        "tested": tested,
        "train_seconds": trained.seconds,
        "test_seconds": so_far.seconds,
        "seconds_per_step": trained.seconds_per_step,
        "peak_host_bytes": max(peak_host_bytes(), trained.peak_host_bytes),
        "peak_device_bytes": max(peak_device_bytes(plan.setup.device), trained.peak_device_bytes),
        "operations_per_step": trained.operations,
    }
    record = dataclasses.replace(record, measurement=measurement, environment=environment())
    folder = write_record(plan.results, record, files)
    so_far.remove()
    print(f"harness: {plan.setup.label}: {record.status}, on record in {folder}", file=sys.stderr)
    return folder


def summary(values: np.ndarray) -> MetricSummary:
    """Sum up per-task scores."""
    if not np.isfinite(values).all():
        return MetricSummary(None, None, len(values), None)
    sd = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return MetricSummary(float(values.mean()), sd, len(values), 1.96 * sd / len(values) ** 0.5)


def weights_bytes(method: Method) -> bytes:
    """Return the weights as a safetensors file."""
    weights = {k: v.cpu().contiguous() for k, v in method.weights().items()}
    return bytes(safetensors_bytes(weights))


def _record(
    plan: Plan,
    tasks: TaskSource,
    trained: Trained,
    scores: Scores,
    files: dict[str, bytes],
) -> Record:
    setup, v = plan.setup, plan.setup.variant
    failed = bool(trained.failure)
    return Record(
        paper=v.paper,
        cell=v.cell,
        variant=v.name,
        seed=setup.seed,
        budget=setup.budget.label,
        status="diverged" if failed else "finished",
        status_note=trained.failure,
        iterations=trained.iteration,
        full_iterations=v.training.iterations,
        protocol=v.recorded(),
        protocol_differences=plan.differences(),
        config_digest=setup.config_digest(),
        training_digest=trained.digest,
        data_digest=tasks.data_digest(),
        data_caveat=tasks.data_caveat(),
        data_note=_data_note(tasks, trained.sessions),
        training_note=trained.note,
        synthetic=tasks.synthetic,
        tasks_digest="" if failed else tasks.task_digest("test", setup.budget.test_tasks),
        selected_iteration=trained.selected,
        validation=trained.validation,
        metrics={name: summary(values) for name, values in scores.items()},
        files=file_digests(files),
    )


def _data_note(tasks: TaskSource, sessions: list[dict[str, Any]]) -> str:
    """Return what is wrong with the data, also that an earlier session trained on other ones."""
    here, note = tasks.data_digest(), tasks.data_note()
    others = sum(s.get("data", here) != here for s in sessions)
    trained = f"{others} of {len(sessions)} sessions trained on other images" if others else ""
    return "; ".join(filter(None, (note, trained)))
