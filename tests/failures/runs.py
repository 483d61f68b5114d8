"""Section: runs that are stopped, and what they find when they go on."""

from __future__ import annotations

import json
import signal
import sys

import numpy as np

from harness.run import checkpoint, jobs
from harness.run.plan import Plan
from tests.failures.case import Printed, Section
from tests.failures.nursery import Started
from tests.failures.small_runs import (
    ENDLESS,
    EVERY_STEP,
    SMALL,
    SMOKE,
    STUCK,
    same_as_unbroken,
    signalled,
)
from tests.failures.stage import Stage
from tests.toy_paper import ToyPaper

SECTION = Section("Runs")
case = SECTION.case
LOOP = "tests/run/test_loop.py"
KILL = "tests/run/test_kill.py"


def started(stage: Stage, line: str, first: str = "") -> Started:
    """Start a run and wait for two checkpoints of it."""
    before = _checkpoint_before(stage)
    run = stage.start(line, first)
    run.wait_for(lambda: _checkpoint_before(stage) > before)
    return run


def _checkpoint_before(stage: Stage) -> int:
    """Return its time, 0 where there is none."""
    return max(
        (p.stat().st_mtime_ns for p in stage.folder.rglob("checkpoint-before.pt")), default=0
    )


@case(
    "`kill -9`, at any moment",
    kept="everything up to the last checkpoint (20 s at most); the record is the same, bit for bit",
    test=f"{KILL}::test_killed_ten_times_it_gives_the_same_record",
)
def killed(stage: Stage) -> Printed:
    run = started(stage, EVERY_STEP, STUCK)
    run.signal(signal.SIGKILL)
    said = run.wait(status=-signal.SIGKILL)
    assert said.out + said.err == ""
    stage.say(SMALL, status=0)
    assert same_as_unbroken(stage)
    return "nothing; start the same command again"


@case(
    "Ctrl-C, `kill`, or a terminal that hangs up",
    kept="everything to the end of that step; the record is the same",
    test=f"{KILL}::test_stopping_leaves_a_run_that_goes_on",
)
def stopped(stage: Stage) -> Printed:
    seen = set()
    for k, number in enumerate((signal.SIGINT, signal.SIGTERM, signal.SIGHUP)):
        run = stage.start(SMALL, signalled(5 + k, number))
        seen.add(run.wait(status=130).only(": stop").seen())
        assert checkpoint.load(stage.one("checkpoint.pt").parent)["iteration"] == 5 + k
    stage.say(SMALL, status=0)
    assert same_as_unbroken(stage)
    (said,) = seen
    return said


@case(
    "Ctrl-C twice",
    kept="the last checkpoint; the record is the same",
    test="tests/run/test_stop.py::test_the_run_goes_on_as_if_it_had_not_been_stopped",
)
def stopped_twice(stage: Stage) -> Printed:
    run = stage.start(EVERY_STEP, signalled(5, signal.SIGINT, signal.SIGINT))
    said = run.wait(status=130)
    assert checkpoint.load(stage.one("checkpoint.pt").parent)["iteration"] == 4
    stage.say(SMALL, status=0)
    assert same_as_unbroken(stage)
    return said


@case(
    "a run of `--jobs` is ended by a signal",
    pretended="a process that ends itself so",
    kept="everything up to its last checkpoint; the other runs go on",
    test="tests/cli/test_run.py::test_a_process_that_a_signal_ended_is_named",
)
def a_job_ended(stage: Stage) -> Printed:
    def command(plan: Plan, *_: object) -> list[str]:
        dies = "import os; os.kill(os.getpid(), 9)" if plan.setup.seed == 0 else ""
        return [sys.executable, "-I", "-S", "-c", dies]

    stage.patch.setattr(jobs, "command", command)
    return stage.say(f"{SMALL} --seeds 0 1 --jobs 2", status=137)


@case(
    "the training loss is no number",
    kept="a record with status `diverged` and `the training loss was nan at iteration 1`, its "
    "learning curve, no metrics; `not comparable` in tables",
    test=f"{LOOP}::test_a_loss_that_is_no_number_ends_in_a_record_that_says_so",
)
def diverged(stage: Stage) -> Printed:
    said = stage.say(f"{SMOKE} --set method.inner_rate=100 --set method.inner_steps=10", status=0)
    record = stage.one("record.json").read_text()
    assert '"diverged"' in record
    assert '"the training loss was nan at iteration 1"' in record
    assert "not comparable" in stage.say("harness compare maml/sinusoid-5shot", status=0).out
    return said


@case(
    "some test scores are no numbers",
    pretended="a made-up record",
    kept="the record with all scores; its mean is null",
    test="tests/compare/test_rows.py::test_scores_that_are_not_finite_give_no_mean",
)
def scores_not_finite(stage: Stage) -> Printed:
    toy = ToyPaper(stage.folder)
    stage.patch.setenv("HARNESS_REPLICATIONS", str(toy.replications))
    scores = np.full(400, 0.67)
    scores[[3, 5]] = np.nan, np.inf
    toy.add({"mse@0": np.full(400, 4.0), "mse@1": scores}, cell="curves")
    assert json.loads(stage.one("record.json").read_text())["metrics"]["mse@1"]["mean"] is None
    said = stage.say("harness compare toy/curves", status=0)
    return f"in tables: {said.part('not comparable')}, {said.part('2 of 400 .* score')}"


@case(
    "two runs of the same cell, variant and seed at once",
    kept="the first goes on",
    test=f"{LOOP}::test_a_second_run_of_the_same_is_told_who_has_it",
)
def at_once(stage: Stage) -> Printed:
    first = started(stage, ENDLESS)
    said = stage.say(ENDLESS)
    assert f"`kill {first.pid}`" in said.err
    before = _checkpoint_before(stage)
    first.wait_for(lambda: _checkpoint_before(stage) > before)
    first.signal(signal.SIGTERM)
    first.wait(status=130)
    return ["the second:", said]
