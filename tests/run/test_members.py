"""`ensemble-of-best-3`: which weights are members, through a stop, on record and tested again."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch

from harness.cli.main import main
from harness.errors import HarnessError
from harness.records.store import StoredRecord, verify_files
from harness.run import testing
from harness.run.kept_weights import method_with, read_weights
from harness.run.loop import run
from harness.run.members import among_best
from harness.run.on_record import summary
from harness.run.training import Phase

CELL = "maml_plus_plus/omniglot-5way-1shot"
TINY = {
    "training__selection": "ensemble-of-best-3",
    "training__iterations": 5,
    "training__iteration_cap": 5,
    "training__validate_every": 1,
    "training__validation_tasks": 8,
    "training__meta_batch": 1,
    "training__validation_metric": "accuracy@1",
    "testing__tasks": 20,
    "testing__tasks_at_once": 20,
    "tasks__dataset": "glyphs",
    "tasks__image_size": 16,
    "method__filters": 2,
    "method__steps": 1,
    "method__meta_rate": 0.05,
}


@pytest.fixture
def plan_of(make_plan):
    def make(name="run", **changed):
        plan = make_plan(name, cell=CELL, variant="maml-plus-plus", **(TINY | changed))
        return replace(plan, setup=replace(plan.setup, engine="loop"))

    return make


def values(members):
    return [(m["value"], m["iteration"]) for m in members]


@pytest.mark.parametrize(
    ("metric", "wanted"),
    [("accuracy@5", [(9.0, 4), (9.0, 2), (7.0, 1)]), ("loss@1", [(5.0, 3), (7.0, 1), (9.0, 4)])],
)
def test_the_best_are_kept_and_of_equal_ones_the_later(metric, wanted):
    members = []
    for iteration, value in enumerate([7.0, 9.0, 5.0, 9.0, float("nan")], 1):
        members = among_best(members, metric, value, iteration, {}, 3)
    assert values(members) == wanted


def stop_after(monkeypatch, steps):
    step = Phase._step

    def stopping(self):
        if self.state.iteration == steps:
            self.save()
            raise KeyboardInterrupt
        step(self)

    monkeypatch.setattr(Phase, "_step", stopping)


def test_members_are_the_best_by_validation_and_survive_a_stop(plan_of, monkeypatch, capsys):
    straight = run(plan_of("straight"))
    record = verify_files(straight)
    rows = StoredRecord(straight, record).curve
    best = sorted((r.validation, r.iteration) for r in rows)[:-4:-1]
    weights = read_weights(straight / "weights.safetensors", "cpu")
    assert {int(name.partition(":")[0]) for name in weights} == {i for _, i in best}
    assert (record.validation, record.selected_iteration) == best[0]

    stop_after(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        run(plan_of("stopped"))
    monkeypatch.undo()
    again = run(plan_of("stopped"))
    assert "going on from iteration 3" in capsys.readouterr().err
    assert verify_files(again).result() == record.result()

    kept = str(again / "weights.safetensors")
    assert main(["evaluate", CELL, "--weights", kept, "--device", "cpu"]) == 0
    assert capsys.readouterr().out.endswith("exactly as recorded\n")


def test_one_member_alone_scores_as_its_weights_do(plan_of):
    plan = plan_of(training__validate_every=0)
    folder = run(plan)
    record = verify_files(folder)
    alone = plan_of(training__selection="last").setup
    weights = read_weights(folder / "weights.safetensors", "cpu")
    own = {name.removeprefix("5:"): w for name, w in weights.items()}
    tasks = alone.tasks()
    method = method_with(own, alone, tasks, folder)
    scores = testing.test(alone, method, tasks, testing.ScoresSoFar())
    assert {k: summary(v) for k, v in scores.items()} == record.metrics


@pytest.mark.parametrize(("members", "count"), [([], 0), ([1, 2, 3, 4], 4)])
def test_too_few_or_too_many_members_are_one_sentence(plan_of, tmp_path, members, count):
    weights = {f"{i}:head.bias": torch.zeros(5) for i in members}
    said = f"w: found weights of {count} iterations, wanted 1 to 3 for {CELL}/maml-plus-plus, named"
    setup = plan_of().setup
    with pytest.raises(HarnessError, match=re.escape(said)):
        method_with(weights, setup, setup.tasks(), tmp_path / "w")


def test_a_method_without_outputs_is_refused_before_it_is_trained(make_plan):
    with pytest.raises(HarnessError, match=r"^training\.selection: found an ensemble, but "):
        run(make_plan(training__selection="ensemble-of-best-3"))
