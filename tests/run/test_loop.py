from __future__ import annotations

import errno
import itertools
import re
from types import SimpleNamespace

import pytest
import torch

from harness import progress
from harness.errors import HarnessError
from harness.records.schema import read_record
from harness.records.store import StoredRecord, verify_files
from harness.run import checkpoint, on_record, training
from harness.run.lock import locked
from harness.run.loop import run
from harness.tasks.source import TestSplitLocked


def result(folder):
    """The record's result with the files beside it, as bytes."""
    record = verify_files(folder)
    return record.result(), {n: (folder / n).read_bytes() for n in record.files}


def test_a_run_ends_in_a_record_that_holds_what_was_asked_for(make_plan):
    plan = make_plan()
    folder = run(plan)
    record = read_record(folder / "record.json")
    assert record.status == "finished"
    assert record.iterations == 60
    assert set(record.metrics) == {"mse@0", "mse@1", "mse@2"}
    assert record.metrics["mse@1"].n == 30
    assert "training.iterations: 70000 -> 60" in record.protocol_differences
    assert record.measurement["sessions"][0]["iterations"] == 60
    assert record.measurement["seconds_per_step"] > 0
    stored = StoredRecord(folder, record)
    assert stored.scores["mse@1"].mean() == record.metrics["mse@1"].mean
    assert [row.iteration for row in stored.curve if row.validation is not None] == [20, 40, 60]


def test_a_long_test_says_how_far_it_is(make_plan, monkeypatch, capsys):
    clock = itertools.count(step=20.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    run(make_plan())
    assert re.search(r"seed 0, test tasks: 30/30, .*/s, 0 s left", capsys.readouterr().err)


@pytest.mark.parametrize("clean", [True, False, None])
def test_a_stopped_test_goes_on_where_it_was_if_a_commit_names_its_code(
    make_plan, monkeypatch, clean
):
    monkeypatch.setattr(on_record, "git_state", lambda **_: {"commit": "c" * 40, "clean": clean})
    plan, scored = make_plan("a"), []
    method = type(plan.setup.method(plan.setup.tasks()))
    score = method.evaluate

    def stop_at_the_third(self, batch):
        scored.append(len(batch))
        if len(scored) == 3 + 3:  # three looks at validation tasks come before
            raise KeyboardInterrupt
        return score(self, batch)

    monkeypatch.setattr(method, "evaluate", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        run(plan)
    folder = run(plan)
    assert len(scored) - 6 == (1 if clean else 3)  # chunks of 10 of the 30 test tasks
    assert not list(plan.folder().glob("test-*"))
    monkeypatch.undo()
    assert result(folder) == result(run(make_plan("b")))


def test_equal_runs_give_equal_records_and_other_seeds_do_not(make_plan):
    first, again = run(make_plan("a")), run(make_plan("b"))
    assert result(first) == result(again)
    assert result(run(make_plan("c", seed=1)))[1] != result(first)[1]


def test_a_run_on_record_is_not_done_again(make_plan, capsys):
    folder = run(make_plan())
    before = (folder / "record.json").stat().st_mtime_ns
    assert run(make_plan()) == folder
    assert (folder / "record.json").stat().st_mtime_ns == before
    assert "on record already" in capsys.readouterr().err


def test_a_longer_budget_goes_on_where_a_shorter_one_ended(make_plan):
    run(make_plan("a", label="0.5"))
    longer = run(make_plan("a"))
    sessions = read_record(longer / "record.json").measurement["sessions"]
    assert [s["iterations"] for s in sessions] == [30, 30]
    assert result(longer) == result(run(make_plan("b")))


def test_a_shorter_budget_after_a_longer_one_starts_by_itself(make_plan):
    run(make_plan("a"))
    assert result(run(make_plan("a", label="0.5"))) == result(run(make_plan("b", label="0.5")))


def test_cells_with_equal_training_share_it(make_plan):
    one = make_plan(cell="maml/sinusoid-5shot")
    other = make_plan(cell="maml/sinusoid-10shot")
    assert one.folder() == other.folder()
    assert make_plan(method__inner_rate=0.02).folder() != one.folder()
    run(one)
    record = read_record(run(other) / "record.json")
    assert sum(s["iterations"] for s in record.measurement["sessions"]) == 60


def test_best_validation_weights_are_the_ones_tested(make_plan):
    plan = make_plan(training__selection="best-validation", method__meta_rate=0.1)
    record = read_record(run(plan) / "record.json")
    values = {r.iteration: r.validation for r in StoredRecord(plan.record_folder(), record).curve}
    best = min((v, i) for i, v in values.items() if v is not None)
    assert (record.validation, record.selected_iteration) == best


def test_patience_ends_training_early(make_plan):
    plan = make_plan(
        training__patience=1, training__validate_every=2, method__meta_rate=0.5, label="full"
    )
    record = read_record(run(plan) / "record.json")
    assert record.iterations < 60


def test_a_loss_that_is_no_number_ends_in_a_record_that_says_so(make_plan):
    folder = run(make_plan(method__inner_rate=100.0, method__inner_steps=10))
    record = verify_files(folder)
    assert record.status == "diverged"
    assert record.status_note.startswith("the training loss was ")
    assert record.metrics == {}
    assert set(record.files) == {"curve.csv"}


def test_test_tasks_are_out_of_reach_while_training(make_plan, monkeypatch):
    def peeking(self, first, count):
        return self.tasks.batch("test", 0, 1)

    plan = make_plan()
    monkeypatch.setattr(training.Phase, "_step", lambda self: peeking(self, 0, 1))
    with pytest.raises(TestSplitLocked, match="cannot be read before training has ended"):
        run(plan)


def test_a_truncated_checkpoint_is_set_aside_and_the_one_before_used(make_plan, capsys):
    plan = make_plan("a", label="0.5")
    run(plan, checkpoint_seconds=0.0)
    path = plan.folder() / "train" / checkpoint.CURRENT
    path.write_bytes(path.read_bytes()[:100])
    folder = run(make_plan("a"))
    assert "cannot be read" in capsys.readouterr().err
    assert path.with_suffix(".broken").exists()
    assert result(folder) == result(run(make_plan("b")))


def test_two_broken_checkpoints_mean_a_fresh_start(make_plan, capsys):
    plan = make_plan("a", label="0.5")
    run(plan, checkpoint_seconds=0.0)
    for name in (checkpoint.CURRENT, checkpoint.BEFORE):
        (plan.folder() / "train" / name).write_bytes(b"nothing of use")
    capsys.readouterr()
    folder = run(make_plan("a"))
    first, second, *_ = capsys.readouterr().err.splitlines()
    assert first.endswith("set aside as checkpoint.broken, going on from the checkpoint before.")
    assert second.endswith("set aside as checkpoint-before.broken, starting anew.")
    assert "torch.load" not in first + second
    assert result(folder) == result(run(make_plan("b")))


def test_a_full_disk_is_one_sentence_and_costs_nothing(make_plan, monkeypatch):
    run(make_plan("a", label="0.5"))
    save = torch.save

    def full(state, f):
        f.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(HarnessError, match=r"No space left.*untouched.*run the same command again"):
        run(make_plan("a"))
    monkeypatch.setattr(torch, "save", save)
    assert not list(make_plan("a").folder().rglob("*.tmp"))
    assert result(run(make_plan("a"))) == result(run(make_plan("b")))


def test_a_second_run_of_the_same_is_told_who_has_it(make_plan):
    plan = make_plan()
    with (
        locked(plan.folder()),
        pytest.raises(HarnessError, match=r"process \d+ is doing this very run already"),
    ):
        run(plan)
    assert read_record(run(plan) / "record.json").status == "finished"


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HarnessError, match=r"found no way to write to .*with --work\.$"):
        locked(tmp_path / "file" / "run").__enter__()


def test_the_lock_needs_no_space(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("harness.run.lock.os.getpid", full)
    with locked(tmp_path), pytest.raises(HarnessError, match="doing this very run already"):
        locked(tmp_path).__enter__()  # held all the same, by an owner who could not write down who


def test_a_full_length_has_one_end(make_plan):
    with pytest.raises(HarnessError, match=r"iteration_cap: found 60, wanted 50.*set both"):
        make_plan(training__iterations=50)


def test_a_checkpoint_is_never_unpickled_as_code(tmp_path, capsys):
    class Evil:
        def __reduce__(self):
            return (print, ("unpickled",))

    torch.save({"iteration": Evil()}, tmp_path / checkpoint.CURRENT)
    assert checkpoint.load(tmp_path) is None
    assert "unpickled" not in capsys.readouterr().out
