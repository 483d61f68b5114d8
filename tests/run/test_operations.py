"""The count of a step's operations, against what can be counted by hand."""

from __future__ import annotations

import dataclasses

import pytest

from harness.paper_tests.smoke_plans import smoke_plan
from harness.records.store import read_record
from harness.run.loop import run
from harness.run.operations import operations_per_step


@pytest.mark.parametrize("order", ["first", "second"])
def test_operations_of_a_linear_model(make_plan, order):
    """Without hidden layers a forward pass is one product of [shots, 1] and [1, 1]."""
    sets = {"method__hidden": [], "method__order": order, "training__meta_batch": 7}
    plan = make_plan(**sets, tasks__train_shots=5, tasks__train_queries=20)
    operations = operations_per_step(plan.setup, plan.setup.tasks())
    # Support and query, each forward and for the weight; of second order also back through the
    # inner gradient. A product of [n, 1] and [1, 1] has n multiplications and n additions.
    by_hand = 2 * (5 + 5) + 2 * (20 + 20)
    assert operations is not None
    assert operations % 7 == 0
    assert operations // 7 == by_hand if order == "first" else operations // 7 > by_hand


def test_operations_grow_with_the_meta_batch_only(make_plan):
    few, many = (make_plan(training__meta_batch=n).setup for n in (2, 6))
    assert 3 * operations_per_step(few, few.tasks()) == operations_per_step(many, many.tasks())
    func, loop = (dataclasses.replace(few, engine=name) for name in ("func", "loop"))
    assert operations_per_step(func, func.tasks()) == operations_per_step(loop, loop.tasks())


def test_a_method_that_cannot_be_counted_says_so(make_plan, monkeypatch):
    setup = make_plan().setup
    tasks = setup.tasks()
    monkeypatch.setattr(type(setup.method(tasks)), "operations_countable", False)
    assert operations_per_step(setup, tasks) is None


GLYPHS = {"tasks.dataset": "glyphs", "tasks.train_ways": 5, "method.filters": 4}


def test_a_step_of_one_network_is_counted_in_training(tmp_path, monkeypatch):
    cell, name = "protonet/omniglot-5way-1shot", "euclidean"
    changed = GLYPHS | {"training.selection": "best-validation-then-retrain"}
    apart = smoke_plan(tmp_path / "apart", cell, name, changed)
    expected = operations_per_step(apart.setup, apart.setup.tasks())
    assert expected
    counted = smoke_plan(tmp_path / "counted", cell, name, changed)
    record = read_record(run(counted) / "record.json")
    assert record.measurement["operations_per_step"] == expected
    # Counting changes no number.
    monkeypatch.setattr(counted.setup.method_class, "counted_in_training", False)
    plain = read_record(run(apart) / "record.json")
    assert plain.measurement["operations_per_step"] == expected
    assert plain.result_digest == record.result_digest
