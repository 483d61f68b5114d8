"""`best-validation-then-retrain`: a second phase on training and validation classes together."""

from __future__ import annotations

import signal
from collections import Counter

import pytest

from harness.catalog import find_cell
from harness.records.store import StoredRecord, verify_files
from harness.run import checkpoint, stop
from harness.run.loop import run
from harness.run.training import Phase

SMALL = {
    "tasks__dataset": "glyphs",
    "tasks__train_ways": 5,
    "tasks__train_queries": 2,
    "tasks__val_queries": 2,
    "tasks__test_queries": 2,
    "method__filters": 4,
    "method__halve_every": 4,
    "training__iterations": 8,
    "training__iteration_cap": 12,
    "training__validate_every": 2,
    "training__validation_tasks": 4,
    "testing__tasks": 6,
    "testing__tasks_at_once": 3,
}


@pytest.fixture
def protonet(make_plan):
    """Return plans of ProtoNet runs of a dozen steps."""

    def make(name="run", ways=5, **sets):
        cell = f"protonet/omniglot-{ways}way-1shot"
        return make_plan(name, cell=cell, variant="euclidean", **SMALL | sets)

    return make


@pytest.fixture
def steps(monkeypatch):
    """Count the training steps of each phase."""
    counted = Counter()
    step = Phase._step

    def counting(self):
        counted[self.settings.split] += 1
        step(self)

    monkeypatch.setattr(Phase, "_step", counting)
    return counted


@pytest.fixture
def method():
    return find_cell("protonet/omniglot-5way-1shot").variant("euclidean").method_class


def result(folder):
    record = verify_files(folder)
    return record.result(), {n: (folder / n).read_bytes() for n in record.files}


def test_both_phases_are_as_long_and_the_second_is_tested(protonet, steps):
    plan = protonet()
    assert plan.setup.variant.training.selection == "best-validation-then-retrain"
    folder = run(plan)
    record = verify_files(folder)
    assert record.status == "finished"
    assert steps == {"train": 12, "trainval": 12}
    assert (record.iterations, record.selected_iteration) == (12, 12)
    sessions = record.measurement["sessions"]
    assert [s["iterations"] for s in sessions] == [12, 12]
    curve = StoredRecord(folder, record).curve
    validated = {row.iteration: row.validation for row in curve if row.validation is not None}
    assert list(validated) == [2, 4, 6, 8, 10, 12]
    assert record.validation == min(validated.values())
    one_phase = run(protonet("other", training__selection="best-validation"))
    assert verify_files(one_phase).files["curve.csv"] == record.files["curve.csv"]
    assert (
        verify_files(one_phase).files["weights.safetensors"] != record.files["weights.safetensors"]
    ), "the second phase starts afresh and sees more classes"


def test_patience_sets_the_length_of_the_second_phase(protonet, steps, monkeypatch):
    monkeypatch.setattr("harness.run.training.better", lambda _, new, old: old is None)
    record = verify_files(run(protonet(training__patience=1)))
    assert steps == {"train": 6, "trainval": 6}
    assert (record.iterations, record.selected_iteration) == (6, 6)


def test_cells_share_both_phases(protonet, steps):
    five, twenty = protonet(ways=5), protonet(ways=20)
    assert five.folder() == twenty.folder()
    first = verify_files(run(five))
    done = dict(steps)
    second = verify_files(run(twenty))
    assert dict(steps) == done, "the second cell trains no further iteration"
    assert second.files["weights.safetensors"] == first.files["weights.safetensors"]
    assert second.training_digest == first.training_digest
    assert second.measurement["sessions"] == first.measurement["sessions"]
    assert second.measurement["train_seconds"] == first.measurement["train_seconds"]
    assert second.files["scores.safetensors"] != first.files["scores.safetensors"]
    assert (first.protocol["tasks"]["test_ways"], second.protocol["tasks"]["test_ways"]) == (5, 20)


@pytest.mark.parametrize("at", [5, 11, 17, 23], ids=lambda n: f"step {n}")
def test_stopped_in_either_phase_it_gives_the_same_record(protonet, method, monkeypatch, at):
    straight = run(protonet("straight"))
    step, taken = method.train_step, []

    def stopping(self, batch, iteration):
        taken.append(iteration)
        if len(taken) == at:
            signal.raise_signal(signal.SIGINT)
        return step(self, batch, iteration)

    # Operations are counted with a step of their own, which is not to be stopped.
    monkeypatch.setattr("harness.run.loop.operations_per_step", lambda *_: None)
    monkeypatch.setattr(method, "train_step", stopping)
    plan = protonet("stopped")
    with stop.listening(), pytest.raises(KeyboardInterrupt):
        run(plan)
    assert not plan.record_folder().exists()
    state = checkpoint.load(plan.folder() / ("train" if at < 12 else "retrain-12"))
    assert state["iteration"] == at % 12
    resumed = run(plan)
    assert taken[at] == at % 12, "it goes on with the step after the one that was done"
    assert len(taken) == 24
    assert result(resumed) == result(straight)


def test_a_second_phase_that_diverges_is_on_record_as_such(protonet, method, monkeypatch):
    step = method.train_step
    calls = []

    def diverging(self, batch, iteration):
        calls.append(iteration)
        loss = step(self, batch, iteration)
        return loss * float("nan") if len(calls) > 14 else loss

    monkeypatch.setattr("harness.run.loop.operations_per_step", lambda *_: None)
    monkeypatch.setattr(method, "train_step", diverging)
    record = verify_files(run(protonet()))
    assert record.status == "diverged"
    assert record.status_note == "the training loss was nan at iteration 3"
    assert record.metrics == {}
