"""Meta-training of one phase: steps, validation, selection, early stopping, checkpoints.

All that decides the weights is in the checkpoint, so a run that is killed and started again goes on
as if nothing had happened, bit for bit on the same machine with the same number of threads.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

import torch
from torch import Tensor

from harness.method import Method
from harness.metric import read_metric
from harness.progress import Progress
from harness.run import checkpoint, stop
from harness.run.capture import training_step
from harness.run.going_on import check_fields, say_what_there_is, take_up
from harness.run.length import Length, length_of
from harness.run.members import ENSEMBLES, Member, among_best
from harness.run.operations import counted
from harness.run.phase_settings import PhaseSettings
from harness.run.scores import evaluate
from harness.tasks.source import TaskSource

CURVE_POINTS = 200


@dataclass
class TrainingState:
    """What training leaves beside the weights."""

    iteration: int = 0
    curve: list[tuple[int, float, float | None]] = field(default_factory=list)
    """Rows of iteration, mean training loss since the row before, validation value or None."""
    best: float | None = None
    best_iteration: int = 0
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    members: list[Member] = field(default_factory=list)
    """The best so far, the best one first, where the selection is an ensemble."""
    waited: int = 0
    """Validations since the best one."""
    loss_sum: float = 0.0
    loss_count: int = 0
    seconds: float = 0.0
    """Seconds spent in training steps and fetching their tasks, over all sessions."""
    sessions: list[dict[str, Any]] = field(default_factory=list)
    """Which session did which iterations, when and on what: a run may go on at another commit."""
    failure: str = ""
    operations: int | None = None
    """Of the first step, where the method is `counted_in_training`."""


def better(metric: str, new: float, old: float | None) -> bool:
    """Return whether `new` beats `old`, in the direction that the metric calls better."""
    if not math.isfinite(new):
        return False
    return old is None or read_metric(metric).better(new, old)


class Phase:
    """One phase of training, in a folder of its own."""

    def __init__(self, method: Method, tasks: TaskSource, settings: PhaseSettings) -> None:
        self.method, self.tasks, self.settings = method, tasks, settings
        self.training, self.folder = settings.training, settings.folder
        self.session = {**settings.session, "start": _now(), "end": _now(), "iterations": 0}
        self.state = TrainingState()
        self._train_step = training_step(method, settings.capture)
        self._counts = method.counted_in_training and method.operations_countable
        self._losses: list[Tensor] = []
        self._first = 0
        most = settings.iterations
        self.length = length_of(self.training, most) if settings.is_first else Length(most, most)
        # This does not depend on the budget, so that a longer budget goes on where a shorter one
        # ended.
        self.log_every = max(1, self.training.iterations // CURVE_POINTS)

    def run(self) -> TrainingState:
        """Train to the end, from the newest checkpoint on.

        A signal leaves a checkpoint between two steps: one taken within a step, or before the
        validation that belongs to it, would be that of no unbroken run.
        """
        self._resume()
        progress = Progress(self.settings.label, self.settings.iterations, self.state.iteration)
        saved = time.monotonic()
        try:
            with stop.deferred():
                while not self._over() and not stop.asked():
                    self._step()
                    done, waited = self.state.iteration, self.state.waited
                    standing = self.length.standing(done, waited)
                    progress.update(done, self._note(), standing)
                    if time.monotonic() - saved > self.settings.checkpoint_seconds:
                        self.save()
                        saved = time.monotonic()
                self.save()
        finally:
            progress.close()
        return self.state

    def _over(self) -> bool:
        t, s, patience = self.state, self.settings, self.training.patience
        stopped_early = patience > 0 and s.is_first and t.waited > patience
        return t.iteration >= s.iterations or stopped_early or bool(t.failure)

    def _step(self) -> None:
        t, meta_batch = self.state, self.training.meta_batch
        start = time.perf_counter()
        first = self.method.first_task(t.iteration, meta_batch)
        batch = self.tasks.batch(self.settings.split, first, meta_batch)
        if self._counts and t.operations is None:
            loss, t.operations = counted(self._train_step, batch, t.iteration)
        else:
            loss = self._train_step(batch, t.iteration)
        t.iteration += 1
        self._losses.append(loss)
        every = self.training.validate_every
        validate = every > 0 and self.settings.is_first and t.iteration % every == 0
        log = t.iteration % self.log_every == 0
        if log or validate:
            self._drain()
        t.seconds += time.perf_counter() - start
        if not t.failure and (log or validate):
            value = self._validate() if validate else None
            t.curve.append((t.iteration, t.loss_sum / t.loss_count, value))
            t.loss_sum, t.loss_count = 0.0, 0

    def _drain(self) -> None:
        """Add up the losses that wait on the device; a loss that is no number ends the run."""
        t = self.state
        if not self._losses:
            return
        values = torch.stack(self._losses).double().tolist()
        for value in values:
            t.loss_sum += value
            t.loss_count += 1
        bad = [k for k, value in enumerate(values) if not math.isfinite(value)]
        if bad:
            at = t.iteration - len(values) + bad[0] + 1
            t.failure = f"the training loss was {values[bad[0]]} at iteration {at}"
            t.iteration = at  # steps done since do not count, however late this was seen
        self._losses.clear()

    def _validate(self) -> float:
        t, s, metric = self.state, self.settings, self.training.validation_metric
        scores = evaluate(self.method, self.tasks, "val", s.validation_tasks, s.tasks_at_once)
        value = float(scores[metric].mean())
        t.waited += 1
        is_best, most = better(metric, value, t.best), ENSEMBLES.get(self.training.selection, 0)
        if is_best:
            t.best, t.best_iteration, t.waited = value, t.iteration, 0
        if most:
            members, weights = t.members, self._weights()
            t.members = among_best(members, metric, value, t.iteration, weights, most)
        elif is_best and self.training.selection != "last":
            t.best_weights = self._weights()
        return value

    def _weights(self) -> dict[str, Tensor]:
        return {k: v.cpu().clone() for k, v in self.method.weights().items()}

    def _note(self) -> str:
        values = [row[2] for row in self.state.curve if row[2] is not None]
        return f"validation {self.training.validation_metric} {values[-1]:.4g}" if values else ""

    def save(self) -> None:
        """Write a checkpoint of everything."""
        self._drain()
        self.session["end"] = _now()
        self.session["iterations"] = self.state.iteration - self._first
        saved: dict[str, Any] = dict(vars(self.state))
        saved["weights"] = {k: v.cpu() for k, v in self.method.weights().items()}
        saved["training_state"] = self.method.training_state()
        checkpoint.save(self.folder, saved, self.settings.whose)

    def _load(self) -> dict[str, Any] | None:
        known = frozenset(f.name for f in fields(TrainingState))
        whose = self.settings.whose
        return checkpoint.load(self.folder, whose, lambda state: check_fields(state, known))

    def _resume(self) -> None:
        state, label = self._load(), self.settings.label
        if state is not None and state["iteration"] > self.settings.iterations:
            self.folder = self.settings.shorter
            state = self._load()
        if state is not None:
            take_up(self.method, state, label)
            del state["weights"], state["training_state"]
            self.state = TrainingState(**state)
            say_what_there_is(label, self.state.iteration, self.state.sessions, self.session)
        self._first = self.state.iteration
        if not self._over():
            self.state.sessions.append(self.session)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
