"""Runs of a second that are broken, stopped and taken up again, and what they end with."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

from harness.records.store import find_records, verify_files
from tests.failures.stage import Stage, on_stage

RUN = "harness run maml/sinusoid-5shot --variant maml"
SMOKE = f"{RUN} --budget smoke"
_SWITCHES = {
    "training.iterations": 20,
    "training.iteration_cap": 20,
    "training.validate_every": 10,
    "training.validation_tasks": 8,
    "testing.tasks": 30,
    "testing.tasks_at_once": 10,
    "method.test_steps": 2,
}
SMALL = " ".join([RUN, "--threads 1", *(f"--set {k}={v}" for k, v in _SWITCHES.items())])
"""Twenty iterations."""
EVERY_STEP = f"{SMALL} --checkpoint-every 0"
"""The same with a checkpoint after every step."""
STUCK = """
import time
from harness.run import checkpoint

save, done = checkpoint.save, []

def stuck(*words):
    save(*words)
    done.append(words)
    if len(done) == 15:
        time.sleep(600)

checkpoint.save = stuck
"""
"""For `Stage.start(first=...)`: the run does not end before it is killed, however late."""
HALF_A_RUN = f"{EVERY_STEP} --budget 0.5"
SIGNALLED = """
import os
from harness.run.training import Phase

step = Phase._step

def signalled(self):
    step(self)
    for number in SIGNALS if self.state.iteration == ITERATION else ():
        os.kill(os.getpid(), number)

Phase._step = signalled
"""
"""For `Stage.start(first=...)`: signals come in the middle of a step."""
ENDLESS = SMALL.replace("=20", "=1000000") + " --checkpoint-every 0.02"
"""To be stopped."""


def results(folder: Path) -> list[Any]:
    """Return the results of full records below a folder, with the files beside them, as bytes."""
    return [
        (s.record.result(), {n: (s.folder / n).read_bytes() for n in verify_files(s.folder).files})
        for s in find_records(folder)
        if s.record.budget == "full"
    ]


def same_as_unbroken(stage: Stage) -> bool:
    """Return whether the one full record of the stage is what `SMALL` ends with when all goes well.

    That is run once, for all cases.
    """
    of_stage = results(stage.folder / "results")
    return len(of_stage) == 1 and of_stage == _unbroken()


@functools.cache
def _unbroken() -> list[Any]:
    with tempfile.TemporaryDirectory() as folder, on_stage(Path(folder) / "unbroken") as stage:
        stage.say(SMALL, status=0)
        return results(stage.folder / "results")


def signalled(iteration: int, *numbers: int) -> str:
    """Return `SIGNALLED` for these signals in this iteration."""
    words = SIGNALLED.replace("SIGNALS", repr(tuple(map(int, numbers))))
    return words.replace("ITERATION", str(iteration))


def half_done(stage: Stage) -> Path:
    """Put the checkpoints of `HALF_A_RUN` into the stage and return the newest."""
    shutil.copytree(_half(), stage.folder / "runs", dirs_exist_ok=True)
    (run,) = (p.relative_to(_half()) for p in _half().rglob("checkpoint.pt"))
    return stage.folder / "runs" / run


@functools.cache
def _half() -> Path:
    return _kept("half", HALF_A_RUN) / "runs"


def recorded(stage: Stage) -> Path:
    """Put a record of `SMOKE` into the results of the stage and return its folder."""
    shutil.copytree(_smoke(), stage.folder / "results")
    return stage.one("record.json").parent


@functools.cache
def _smoke() -> Path:
    return _kept("smoke", SMOKE) / "results"


def _kept(name: str, line: str) -> Path:
    """Return a folder with what a line leaves, until this process ends."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with on_stage(folder / name) as stage:
        stage.say(line, status=0)
    return folder / name
