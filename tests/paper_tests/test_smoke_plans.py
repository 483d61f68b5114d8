from __future__ import annotations

import pytest

from harness.errors import HarnessError
from harness.paper_tests.smoke_plans import smoke_method, smoke_plan

CELL = "maml/sinusoid-5shot"


def test_switches_come_after_what_is_changed_for_all(tmp_path):
    small = {"method.inner_rate": 0.5, "training.meta_batch": 3}
    plan = smoke_plan(tmp_path, CELL, "maml", small, "func", method__inner_rate=0.25)
    assert plan.setup.variant.key == f"{CELL}/maml"
    assert plan.setup.variant.method.inner_rate == 0.25
    assert plan.setup.variant.training.meta_batch == 3
    assert plan.published.training.meta_batch == 25
    assert (plan.setup.budget.label, plan.setup.engine, plan.setup.seed) == ("smoke", "func", 0)
    assert (plan.results, plan.work) == (tmp_path / "results", tmp_path / "work")
    assert small == {"method.inner_rate": 0.5, "training.meta_batch": 3}


def test_the_method_is_built_for_its_tasks():
    method, tasks = smoke_method(CELL, "maml", engine="func", method__inner_rate=0.25)
    assert (method.engine, method.inner.rate) == ("func", 0.25)
    assert method.evaluate(tasks.batch("val", 0, 2))["mse@0"].shape == (2,)


def test_a_switch_that_does_not_exist_is_one_sentence():
    with pytest.raises(HarnessError, match=r"found switch 'method\.rat'"):
        smoke_method(CELL, "maml", method__rat=0.25)
