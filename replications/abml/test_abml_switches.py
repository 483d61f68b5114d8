"""Each switch is seen where it works, and nowhere else."""

from __future__ import annotations

from typing import Any

from harness.paper_tests.smoke_plans import smoke_method
from harness.paper_tests.switch_effects import THROUGHOUT, maker, where_seen

CELL = "abml/delta-090-2000"


def batches() -> tuple[list[Any], Any]:
    _, tasks = smoke_method(CELL, "uniform", {})
    return [tasks.batch("train", 4 * i, 4) for i in range(3)], tasks.batch("val", 0, 4)


def test_the_arm_of_a_fixed_agent_is_seen_whenever_it_is_scored() -> None:
    make = maker(CELL, "uniform", {})
    places = where_seen(make, "arm", ("uniform", "safe"), *batches())
    assert places == {THROUGHOUT - {"weights"}}
