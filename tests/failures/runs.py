"""Section: runs that are stopped, and what they find when they go on."""

from __future__ import annotations

import json
import signal

import numpy as np

from tests.failures.case import Printed, Section
from tests.failures.nursery import Started
from tests.failures.small_runs import ENDLESS, EVERY_STEP, SMALL, SMOKE, STUCK, same_as_unbroken
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
    """Give its time, 0 where there is none."""
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
    "Ctrl-C, or `kill`",
    kept="everything: a checkpoint is written first",
    test=f"{KILL}::test_stopping_leaves_a_run_that_goes_on",
)
def stopped(stage: Stage) -> Printed:
    seen = set()
    for number in (signal.SIGINT, signal.SIGTERM):
        run = started(stage, ENDLESS)
        run.signal(number)
        seen.add(run.wait(status=130).only("stopped").seen())
    (said,) = seen
    return said


@case(
    "the newest checkpoint is truncated",
    kept="the checkpoint before; the broken one, set aside; the record is the same",
    test=f"{LOOP}::test_a_truncated_checkpoint_is_set_aside_and_the_one_before_used",
    foreign=r"(?<=cannot be read \()[^`]*?(?=\);)",
)
def checkpoint_truncated(stage: Stage) -> Printed:
    stage.say(f"{EVERY_STEP} --budget 0.5", status=0)
    path = stage.one("checkpoint.pt")
    path.write_bytes(path.read_bytes()[:100])
    said = stage.say(SMALL, status=0)
    assert path.with_suffix(".broken").stat().st_size == 100
    assert same_as_unbroken(stage)
    return said.only("checkpoint")


@case(
    "both checkpoints are broken",
    kept="both, set aside; the record is the same",
    test=f"{LOOP}::test_two_broken_checkpoints_mean_a_fresh_start",
    foreign=r"(?<=cannot be read \()[^`]*?(?=\);)",
)
def checkpoints_broken(stage: Stage) -> Printed:
    stage.say(f"{EVERY_STEP} --budget 0.5", status=0)
    for name in ("checkpoint.pt", "checkpoint-before.pt"):
        stage.one(name).write_bytes(b"nothing of use")
    said = stage.say(SMALL, status=0)
    assert len(list(stage.folder.rglob("*.broken"))) == 2
    assert same_as_unbroken(stage)
    return said.only("checkpoint")


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
