"""What a checkpoint is checked against when it is read: its digest, its run, its version, its
kind."""

from __future__ import annotations

import os
import random

import pytest
import torch

from harness.errors import HarnessError
from harness.records.store import verify_files
from harness.run import checkpoint
from harness.run.checkpoint import BEFORE, CURRENT
from harness.run.going_on import check_fields, say_what_there_is
from harness.run.loop import run

WHOSE = {"seed": 0, "phase": "train", "training": "ab" * 32}


def state(iteration=7):
    return {
        "iteration": iteration,
        "curve": [(5, 0.5, None), (7, 0.1 + 0.2, float("inf"))],
        "best": None,
        "weights": {"w": torch.arange(4096.0).reshape(64, 64).t(), "none": torch.zeros(0, 3)},
        "training_state": {"step": torch.tensor(3), "half": torch.ones(2, dtype=torch.bfloat16)},
        "sessions": [{"commit": "c" * 40, "clean": True}],
    }


def result(folder):
    record = verify_files(folder)
    return record.result(), {n: (folder / n).read_bytes() for n in record.files}


def test_what_was_saved_is_read(tmp_path, capsys):
    checkpoint.save(tmp_path, state(), WHOSE)
    loaded = checkpoint.load(tmp_path, WHOSE)
    assert loaded.keys() == state().keys()
    assert loaded["curve"] == state()["curve"]
    assert torch.equal(loaded["weights"]["w"], state()["weights"]["w"])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("how", ["a bit", "4 KiB of zeros"])
def test_damage_in_a_tensor_is_noticed(tmp_path, capsys, how):
    checkpoint.save(tmp_path, state(6), WHOSE)
    checkpoint.save(tmp_path, state(7), WHOSE)
    path = tmp_path / CURRENT
    data = bytearray(path.read_bytes())
    there = data.index(torch.arange(100.0).numpy().tobytes())
    if how == "a bit":
        data[there + 4 * random.randrange(4096)] ^= 1
    else:
        data[there + 64 : there + 64 + 4096] = bytes(4096)
    path.write_bytes(data)
    assert checkpoint.load(tmp_path, WHOSE)["iteration"] == 6
    said = capsys.readouterr().err
    assert said == (
        f"harness: {path} cannot be read (its content does not fit its digest); set aside as "
        "checkpoint.broken, going on from the checkpoint before.\n"
    )


@pytest.mark.parametrize(("key", "value"), [("iteration", 8), ("best", 0.0), ("curve", [])])
def test_an_edited_number_is_noticed(tmp_path, key, value):
    checkpoint.save(tmp_path, state(), WHOSE)
    raw = torch.load(tmp_path / CURRENT, weights_only=True)
    torch.save(raw | {key: value}, tmp_path / CURRENT)
    assert checkpoint.load(tmp_path, WHOSE) is None


@pytest.mark.parametrize(("key", "value"), [("seed", 1), ("phase", "retrain"), ("training", "cd")])
def test_one_of_another_run_is_refused(tmp_path, key, value):
    checkpoint.save(tmp_path, state(), WHOSE | {key: value})
    with pytest.raises(HarnessError, match=rf"another run \(.*{key} {value}.*start anew with `--f"):
        checkpoint.load(tmp_path, WHOSE)
    assert (tmp_path / CURRENT).exists()


def test_one_of_a_newer_format_is_refused(tmp_path):
    checkpoint.save(tmp_path, state(), WHOSE)
    raw = torch.load(tmp_path / CURRENT, weights_only=True)
    raw[checkpoint.HEAD]["format"] = 3
    torch.save(raw, tmp_path / CURRENT)
    with pytest.raises(
        HarnessError, match="found a checkpoint of format 3, wanted at most 2; go on"
    ):
        checkpoint.load(tmp_path, WHOSE)


def test_an_older_one_is_taken_and_said_to_have_no_digest(tmp_path, capsys):
    torch.save(state(), tmp_path / CURRENT)
    assert checkpoint.load(tmp_path, WHOSE, lambda s: None)["iteration"] == 7
    said = capsys.readouterr().err
    assert said.endswith(
        "checkpoint.pt is of an older harness and carries no digest; taken as it is.\n"
    )


def test_an_older_one_is_held_to_the_sums_of_its_zip(tmp_path, capsys):
    torch.save(state(6), tmp_path / BEFORE)
    torch.save(state(7), tmp_path / CURRENT)
    data = bytearray((tmp_path / CURRENT).read_bytes())
    data[data.index(torch.arange(100.0).numpy().tobytes()) + 9] ^= 1
    (tmp_path / CURRENT).write_bytes(data)
    assert checkpoint.load(tmp_path, WHOSE)["iteration"] == 6
    assert "does not fit its check sum" in capsys.readouterr().err


def nested(depth):
    lists = []
    for _ in range(depth):
        lists = [lists]
    return lists


@pytest.mark.parametrize(
    "odd",
    [
        {},
        [],
        nested(400),
        3,
        "text",
        torch.zeros(3),
        {"checkpoint": 3},
        {"checkpoint": {"format": 2, "run": [], "digest": ""}},
        {"iteration": 3},
        {"weights": {}},
        state() | {"iteration": "many"},
        state() | {"iteration": -1},
        state() | {"iteration": True},
        state() | {"curve": nested(400)},
        state() | {"curve": [(1, 2)]},
        state() | {"sessions": 3},
        state() | {"sessions": [None]},
        state() | {"weights": [1]},
        state() | {"weights": {"w": 3}},
        state() | {"training_state": None},
        state() | {"best_weights": {3: torch.zeros(1)}},
        state() | {"failure": None},
        state() | {"loss_sum": "0"},
        state() | {"operations": 0.5},
    ],
    ids=lambda x: repr(x)[:40].replace("\n", ""),
)
def test_what_is_no_checkpoint_is_set_aside(tmp_path, capsys, odd):
    torch.save(odd, tmp_path / CURRENT)
    known = frozenset(
        [
            "iteration",
            "curve",
            "best",
            "best_weights",
            "sessions",
            "failure",
            "loss_sum",
            "operations",
        ]
    )
    assert checkpoint.load(tmp_path, WHOSE, lambda s: check_fields(s, known)) is None
    assert capsys.readouterr().err.splitlines()[-1].endswith("checkpoint.broken, starting anew.")
    assert (tmp_path / "checkpoint.broken").exists()


def test_a_pipe_is_no_checkpoint(tmp_path, capsys):
    os.mkfifo(tmp_path / CURRENT)
    assert checkpoint.load(tmp_path, WHOSE) is None
    assert "cannot be read (it is no file); set aside" in capsys.readouterr().err


def test_one_that_may_not_be_read_is_left_where_it_is(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, state(), WHOSE)

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(torch, "load", refused)
    with pytest.raises(HarnessError, match="Permission denied; make it readable and run the same"):
        checkpoint.load(tmp_path, WHOSE)
    assert (tmp_path / CURRENT).exists()


def test_what_no_checkpoint_can_hold_is_told_when_it_is_saved(tmp_path):
    with pytest.raises(TypeError, match="cannot hold a object"):
        checkpoint.save(tmp_path, {"a": object()}, WHOSE)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def half(make_plan):
    """A plan whose run was stopped half-way, as its shorter budget does."""
    run(make_plan("a", label="0.5"))
    return make_plan("a")


def edited(plan, change):
    """Write a checkpoint as other code would have made it: with a digest, but of another state."""
    folder = plan.folder() / "train"
    loaded = checkpoint.load(folder)
    change(loaded)
    checkpoint.save(folder, loaded, plan.whose("train"))
    (folder / BEFORE).unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.update(momentum=0.9), "of other code .*found 'momentum' in it, which"),
        (lambda s: s.pop("training_state"), "of other code .*found no 'training_state' in it"),
        (
            lambda s: s["weights"].popitem(),
            "other structure, by .*found nothing under 'layers.5.bi",
        ),
        (lambda s: s["weights"].update(extra=torch.zeros(1)), r"found a tensor .*under 'extra'"),
        (lambda s: s["training_state"].clear(), r"other structure, by .*\('param_groups'\)"),
    ],
    ids=["a field more", "a field less", "a layer less", "a layer more", "another optimiser"],
)
def test_a_checkpoint_of_other_code_is_one_sentence(half, change, words):
    edited(half, change)
    with pytest.raises(HarnessError, match=words) as e:
        run(half)
    assert str(e.value).endswith("or start anew with `--fresh`.")
    assert "\n" not in str(e.value)


def test_a_checkpoint_without_a_head_gives_the_same_record(half, make_plan, capsys):
    path = half.folder() / "train" / CURRENT
    raw = torch.load(path, weights_only=True)
    del raw[checkpoint.HEAD]
    torch.save(raw, path)
    resumed = result(run(half))
    assert "carries no digest; taken as it is." in capsys.readouterr().err
    assert resumed == result(run(make_plan("b")))


def test_one_of_another_seed_is_one_sentence(half, make_plan):
    other = make_plan("a", seed=1)
    other.folder().parent.mkdir(parents=True, exist_ok=True)
    os.rename(half.folder(), other.folder())
    with pytest.raises(
        HarnessError, match=r"another run \(seed 0, phase train, .*wanted one of seed 1"
    ):
        run(other)


COMMIT, OTHER = {"commit": "c" * 40, "clean": True}, {"commit": "d" * 40, "clean": True}


@pytest.mark.parametrize(
    ("first", "then", "words"),
    [
        (COMMIT, COMMIT, "by the same commit cccccccccccc;"),
        (COMMIT, OTHER, "by commit cccccccccccc; this is commit dddddddddddd;"),
        (
            COMMIT | {"clean": False},
            COMMIT | {"clean": False},
            "by the same commit cccccccccccc with uncommitted changes, which may have been others;",
        ),
        (
            COMMIT,
            COMMIT | {"clean": False},
            "by commit cccccccccccc; this is commit cccccccccccc with uncommitted changes;",
        ),
        (
            {"commit": None, "clean": None},
            COMMIT,
            "by code of no known commit; this is commit cccccccccccc;",
        ),
    ],
)
def test_it_is_said_what_is_gone_on_from(capsys, first, then, words):
    say_what_there_is("a run", 1234, [first, first], then)
    assert capsys.readouterr().err == (
        f"harness: a run: going on from iteration 1,234 {words} `--fresh` starts anew.\n"
    )


def test_a_run_says_what_it_goes_on_from(half, capsys):
    capsys.readouterr()
    run(half)
    said = capsys.readouterr().err
    assert said.startswith(
        "harness: maml/sinusoid-5shot/maml seed 0: going on from iteration 30 by"
    )
