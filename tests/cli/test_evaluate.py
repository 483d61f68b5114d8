"""`harness evaluate`: kept weights give the recorded numbers, and other weights do not."""

from __future__ import annotations

import json
import os
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.records.store import find_records
from harness.tasks.sinusoids import Sinusoids

SMOKE = "harness run maml/sinusoid-5shot --budget smoke --set training.meta_batch=2"
CELL = "harness evaluate maml/sinusoid-5shot"


@pytest.fixture
def stored(say, workplace):
    """A record of three training steps, with its weights."""
    assert say(f"{SMOKE} --variant maml").status == 0
    [record] = find_records(workplace / "results")
    return record


def weights(stored):
    return stored.folder / "weights.safetensors"


def test_the_recorded_numbers_come_out_exactly(say, stored):
    said = say(f"{CELL} --weights {weights(stored)}")
    assert said.status == 0
    lines = said.out.splitlines()
    # The record is one of another switch, and the name says so.
    assert lines[0] == "maml/sinusoid-5shot/maml (training.meta_batch: 25 -> 2), 2 test tasks, cpu"
    assert lines[-1] == "exactly as recorded"
    for name, summary in stored.record.metrics.items():
        [line] = [s for s in lines if s.split()[0] == name]
        assert line.split()[1] == repr(summary.mean)
        assert line.endswith(f"  recorded {summary.mean!r}")


def test_other_images_than_those_of_the_test_are_told(say, stored, monkeypatch):
    monkeypatch.setattr(Sinusoids, "data_digest", lambda self: "f" * 64)
    said = say(f"{CELL} --weights {weights(stored)}")
    assert said.status == 1
    assert said.out.endswith(
        "NOT as recorded: the images at hand differ from those it was tested on\n"
    )


def test_json_has_full_precision(say, stored):
    said = say(f"{CELL} --weights {weights(stored)} --format json")
    rows = {r["metric"]: r for r in json.loads(said.out)}
    assert rows.keys() == stored.record.metrics.keys()
    for name, summary in stored.record.metrics.items():
        row = rows[name]
        assert row["mean"] == row["recorded"] == summary.mean
        # One degree of freedom: the quantile of Student's t is 12.7, as tables have it.
        assert row["ci95"] == pytest.approx(summary.ci95 / 1.96 * 12.706205)
        assert row["tasks"] == summary.n
        assert row["protocol_differences"] == ["training.meta_batch: 25 -> 2"]


def test_a_changed_weight_is_told(say, stored):
    changed = load_file(weights(stored))
    next(iter(changed.values())).add_(1e-3)
    save_file(changed, weights(stored))
    said = say(f"{CELL} --weights {weights(stored)}")
    assert said.status == 1
    assert "\nNOT as recorded: these are not the weights it kept" in said.out
    assert say(f"{CELL} --weights {weights(stored)} --format json").status == 1


@pytest.mark.parametrize("number", [torch.nan, torch.inf, -torch.inf])
def test_weights_that_are_no_numbers(say, stored, number):
    changed = load_file(weights(stored))
    name = sorted(changed)[-1]
    changed[name].view(-1)[-1] = number
    save_file(changed, weights(stored))
    assert say(f"{CELL} --weights {weights(stored)}").sentence == (
        f"{weights(stored)}: found numbers under {name!r} that are not finite, wanted trained "
        "weights; take those of a run that did not diverge."
    )


KINDS = [torch.int64, torch.float64, torch.bfloat16, torch.bool]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_weights_of_another_type(say, stored, kind):
    changed = load_file(weights(stored))
    name = sorted(changed)[0]
    changed[name] = changed[name].to(kind)
    save_file(changed, weights(stored))
    assert say(f"{CELL} --weights {weights(stored)}").sentence == (
        f"{weights(stored)}: found a tensor of {str(kind).removeprefix('torch.')} under {name!r}, "
        "wanted a tensor of float32 for maml/sinusoid-5shot/maml."
    )


def test_weights_are_a_plain_file(say, stored, workplace):
    os.mkfifo(workplace / "pipe")
    for path, kind in ((workplace / "pipe", "no plain file"), (workplace, "a folder")):
        sentence = say(f"{CELL} --weights {path}").sentence
        assert sentence == f"{path}: found {kind}, wanted a file of weights in safetensors form."
    shutil.copy(weights(stored), workplace / "w.safetensors")
    os.mkfifo(workplace / "record.json")
    sentence = say(f"{CELL} --weights {workplace / 'w.safetensors'}").sentence
    assert sentence.endswith("not a readable record: not a file but a pipe, device or the like.")


def test_weights_that_are_left_out_of_the_repository(say, stored):
    weights(stored).unlink()
    sentence = say(f"{CELL} --weights {weights(stored)}").sentence
    assert sentence == (
        f"{weights(stored)}: the record names this file, but it is not here (the repository leaves "
        "out weights that are too large or of a shorter run); run `harness run maml/sinusoid-5shot "
        "--variant maml --seeds 0 --budget smoke --set training.meta_batch=2 --results "
        "elsewhere` to make it again there."
    )


def test_weights_alone_have_nothing_to_agree_with(say, stored, workplace, monkeypatch):
    shutil.copy(weights(stored), workplace / "w.safetensors")
    small = {"testing.tasks": 8, "testing.tasks_at_once": 4}
    from harness.catalog import Cell

    full = Cell.variant
    monkeypatch.setattr(Cell, "variant", lambda self, name, sets=None: full(self, name, small))
    said = say(f"{CELL} --weights w.safetensors --variant first-order")
    assert said.status == 0
    assert said.out.startswith("maml/sinusoid-5shot/first-order, 8 test tasks, cpu\n")
    assert "recorded" not in said.out
    assert say(f"{CELL} --weights w.safetensors").out.startswith("maml/sinusoid-5shot/maml, ")
    rows = json.loads(say(f"{CELL} --weights w.safetensors --format json").out)
    assert {r["recorded"] for r in rows} == {None}


def test_switches_of_the_run_are_those_of_the_record(say, workplace):
    assert (
        say(f"{SMOKE} --variant maml --set method.hidden=[4] --set method.test_steps=1").status == 0
    )
    [record] = find_records(workplace / "results")
    said = say(f"{CELL} --weights {weights(record)}")
    assert said.status == 0
    assert set(record.record.metrics) == {"mse@0", "mse@1"}
    assert "exactly as recorded" in said.out


@pytest.mark.parametrize("size", [0, 5, 200, -1], ids=["empty", "5", "200", "all but one"])
def test_a_truncated_file_is_one_sentence(say, stored, size):
    path = weights(stored)
    path.write_bytes(path.read_bytes()[:size])
    sentence = say(f"{CELL} --weights {path}").sentence
    assert sentence.startswith(f"{path} is not a readable safetensors file: ")


def test_a_missing_file_is_one_sentence(say):
    sentence = say(f"{CELL} --weights none.safetensors").sentence
    assert sentence == "found no file none.safetensors, wanted weights in safetensors form."


@pytest.mark.parametrize("variant", ["maml", "pretrained"])
@pytest.mark.parametrize("damage", ["shape", "missing", "extra"])
def test_weights_of_another_method_are_one_sentence(say, workplace, variant, damage):
    assert say(f"{SMOKE} --variant {variant}").status == 0
    [record] = find_records(workplace / "results")
    changed = load_file(weights(record))
    name = sorted(changed)[0]
    shape = list(changed[name].shape)
    if damage == "shape":
        changed[name] = torch.zeros([*shape, 2])
        expected = f"found a tensor of shape {[*shape, 2]} under {name!r}, wanted a tensor of shape"
    elif damage == "missing":
        del changed[name]
        expected = f"found nothing under {name!r}, wanted a tensor of shape {shape} for maml/"
    else:
        changed["more"] = torch.zeros(3)
        expected = "found a tensor of shape [3] under 'more', wanted nothing for maml/sinusoid-5s"
    save_file(changed, weights(record))
    assert expected in say(f"{CELL} --weights {weights(record)}").sentence


def test_another_variant_is_named_on_purpose_only(say, stored, workplace):
    line = f"{CELL} --weights {weights(stored)}"
    assert say(f"{line} --variant first-order").sentence == (
        "--variant: found 'first-order' for weights of maml, wanted that or none; --record-as "
        "tests them as another variant."
    )
    assert "found training.meta_batch 2, wanted 25 for" in say(f"{line} --record-as maml").sentence
    shutil.copy(weights(stored), workplace / "w.safetensors")
    assert say(f"{CELL} --weights w.safetensors --record-as maml").sentence == (
        "--record-as: found no record of w.safetensors beside it, wanted the weights.safetensors "
        "in the folder of a record."
    )


def test_weights_of_another_cell_are_one_sentence(say, stored):
    sentence = say(f"harness evaluate maml/sinusoid-10shot --weights {weights(stored)}").sentence
    assert (
        sentence
        == f"{weights(stored)} belongs to maml/sinusoid-5shot, not to maml/sinusoid-10shot."
    )


def test_an_edited_record_is_refused(say, stored):
    path = stored.folder / "record.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    assert "it was changed after the run" in say(f"{CELL} --weights {weights(stored)}").sentence
