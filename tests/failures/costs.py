"""Section: points of `harness cost` that cannot be measured."""

from __future__ import annotations

import itertools
import resource
from types import SimpleNamespace

from harness.costs import measure_point, session, timing
from harness.costs.request import Request
from tests.costs.made_up import outcome
from tests.failures.case import Printed, Section
from tests.failures.stage import Stage

SECTION = Section("Costs")
case = SECTION.case
POINT = "tests/costs/test_measure_point.py"
COST = (
    "harness cost maml/sinusoid-5shot --variant maml --engines func --orders first --threads 1 "
    "--set training.meta_batch=2 --set method.hidden=[4] --seconds 1 --rounds 1"
)


@case(
    "`harness cost` is stopped",
    kept="finished points",
    test="tests/cli/test_cost.py::test_stopping_keeps_what_is_finished",
)
def stopped(stage: Stage) -> Printed:
    left = [5, 99]

    def measure(request: Request) -> dict[str, object]:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return outcome(request.kind)

    stage.patch.setattr(session, "measure_apart", measure)
    first = stage.say(f"{COST} --steps 1 2 5", status=130)
    again = stage.say(f"{COST} --steps 1 2 5", status=0)
    return [first, "then", again.part("harness: going on.*")]


@case(
    "a point of `harness cost` takes too long",
    pretended="a fast clock",
    kept="the other points",
    test=f"{POINT}::test_a_point_that_would_take_too_long_is_not_measured",
)
def too_long(stage: Stage) -> Printed:
    clock = itertools.count(step=7.8)
    stage.patch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    stage.patch.setattr(session, "measure_apart", measure_point.measure)
    said = stage.say(f"{COST} --steps 1 5 --limit 60 --no-memory", status=0)
    first = said.part(r"time not run \(over limit: the .*?\)")
    return ["in the table:", f"{first}; with more inner steps:", said.part(r"so it was[^)]*")]


@case(
    "a point of `harness cost` takes more memory than there is (`ulimit -v`)",
    kept="the other points",
    test=f"{POINT}::test_what_a_step_raises_is_a_status",
    foreign=r"RuntimeError: [^`]*",
)
def too_much(stage: Stage) -> Printed:
    stage.patch.setattr(session, "measure_apart", measure_point.measure)
    line = COST.replace("hidden=[4]", "hidden=[8192]").replace("meta_batch=2", "meta_batch=100")
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (24 << 30, before[1]))  # of 31 GiB that are asked for
    try:
        said = stage.say(f"{line} --set tasks.train_shots=10000 --steps 1 --no-memory", status=0)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    return ["in the table:", said.part(r"time not run \(out of memory: .*?\)(?=; with)")]
