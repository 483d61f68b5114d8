"""The test of a run. Scores are saved as they come: a test that is stopped resumes from there."""

from __future__ import annotations

import hashlib
import math
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.method import Method
from harness.progress import Progress
from harness.protocol import digest
from harness.run import checkpoint, stop
from harness.run.plan import Plan
from harness.run.scores import Scores, add_best_of_steps, joined, open_test, scored_chunks
from harness.run.setup import Setup
from harness.tasks.source import TaskSource


@dataclass
class ScoresSoFar:
    """Chunks of scores of one network by one code, and where a run keeps them."""

    folder: Path = Path()
    key: str = ""
    """Names network and code; empty where nothing is kept."""
    every: float = math.inf
    """Seconds between two writings."""
    chunks: list[Scores] = field(default_factory=list)
    seconds: float = 0.0
    """Seconds spent on them, over all sessions."""
    anew: str = "`--fresh` starts anew"
    """How the user may start without the scores that were kept."""

    @property
    def count(self) -> int:
        """Tasks that were scored."""
        return sum(len(next(iter(chunk.values()))) for chunk in self.chunks)

    def resume(self, label: str) -> None:
        """Take the scores that an earlier session kept, if they are of this network and this
        code."""
        state = checkpoint.load(self.folder, check=_check)
        if state is None:
            return
        if state["key"] != self.key:
            stop.say(f"{label}: scores that were kept are of other weights or code; testing anew.")
            return
        self.chunks = [{k: v.numpy() for k, v in c.items()} for c in state["chunks"]]
        self.seconds = state["seconds"]
        if self.chunks:
            scored = f"{self.count:,} test tasks, scored by this very commit"
            stop.say(f"{label}: going on from {scored}; {self.anew}.")

    def save(self) -> None:
        """Write the scores so far, if they are kept."""
        if not self.key:
            return
        chunks = [{k: torch.from_numpy(v) for k, v in c.items()} for c in self.chunks]
        state = {"key": self.key, "chunks": chunks, "seconds": self.seconds}
        checkpoint.save(self.folder, state)

    def remove(self) -> None:
        """Remove them when they are on record."""
        if self.key:
            shutil.rmtree(self.folder, ignore_errors=True)


def scores_so_far(
    plan: Plan, method: Method, session: dict[str, Any], every: float, verb: str = "run"
) -> ScoresSoFar:
    """Return what an earlier session left of a run's test. Nothing is kept where no commit is known
    to name the code whole: scores of two codes would be taken for those of one."""
    if session["clean"] is not True:
        return ScoresSoFar()
    weights = hashlib.sha256()
    for name, value in sorted(method.weights().items()):
        weights.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    config = plan.setup.config_digest()
    key = digest([config, weights.hexdigest(), session])
    so_far = ScoresSoFar(plan.folder() / f"test-{config[:12]}", key, every)
    if verb != "run":
        so_far.anew = f"without {so_far.folder} it starts anew"
    so_far.resume(plan.setup.label)
    return so_far


def _check(state: dict[str, Any]) -> None:
    """Raise ValueError for a state that cannot be that of a test."""
    chunks = state.get("chunks")
    fits = isinstance(state.get("key"), str) and type(state.get("seconds")) in (int, float)
    fits = fits and isinstance(chunks, list) and all(map(_one_length, chunks))
    if not fits or len({tuple(c) for c in chunks or ()}) > 1:
        raise ValueError("found no scores of a test in it")


def _one_length(chunk: Any) -> bool:
    """Whether it is metric -> [tasks], as many tasks for each."""
    if not isinstance(chunk, dict) or not chunk:
        return False
    tensors = [v for v in chunk.values() if isinstance(v, Tensor) and v.ndim == 1 and len(v)]
    return len(tensors) == len(chunk) and len({len(v) for v in tensors}) == 1


def test(setup: Setup, method: Method, tasks: TaskSource, so_far: ScoresSoFar) -> Scores:
    """Open the test split and score the method on it, from `so_far` on: metric -> [tasks].

    A signal ends it at once: a chunk that is not whole is scored again."""
    testing, count = setup.variant.testing, setup.budget.test_tasks
    before = saved = time.monotonic()
    open_test(method, tasks, testing.tasks_at_once)
    progress = Progress(f"{setup.label}, test tasks", count, so_far.count)
    try:
        at_once, label = testing.tasks_at_once, f"{setup.label}, test images"
        chunks = scored_chunks(method, tasks, "test", count, at_once, so_far.count, label)
        for chunk in chunks:
            so_far.chunks.append(chunk)
            so_far.seconds += time.monotonic() - before
            before = time.monotonic()
            progress.update(so_far.count)
            if before - saved > so_far.every:
                so_far.save()
                saved = before
    except KeyboardInterrupt:
        so_far.save()
        raise
    finally:
        progress.close()
    scores = joined(so_far.chunks)
    return add_best_of_steps(scores) if testing.best_of_steps else scores
