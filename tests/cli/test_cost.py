"""`harness cost`, end to end: real processes once, and made-up ones for the rest."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
import torch

from harness.cli import cost
from harness.costs import session
from harness.costs.store import find_costs
from harness.errors import HarnessError
from tests.costs.made_up import outcome

TINY = (
    "harness cost maml/sinusoid-5shot --variant maml --engines func --orders first --steps 1 "
    "--set training.meta_batch=2 --set method.hidden=[4] --threads 1 --seconds 0.01 --rounds 1"
)


@pytest.fixture
def made_up(monkeypatch):
    """No processes: every measurement has a made-up outcome."""
    asked = []

    def measure(request):
        asked.append(request)
        return outcome(request.kind)

    monkeypatch.setattr(session, "measure_apart", measure)
    return asked


def test_real_processes(say, workplace):
    said = say(f"{TINY} --format json")
    assert said.status == 0, said
    [row] = json.loads(said.out)
    assert (row["variant"], row["order"], row["engine"]) == ("first-order", "first", "func")
    assert row["time_status"] == row["memory_status"] == "measured", row
    assert row["seconds"] > 0
    assert row["peak_rate"] > 1e8
    assert 0 < row["share_of_peak"] < 1
    assert 0 < row["live_tensor_bytes"] < 2**20
    assert row["threads"] == 1
    [record] = find_costs(Path("results"), ["maml/sinusoid-5shot"])
    assert record.sessions[0].environment["torch_threads"] == 1
    assert "on record in results/costs/" in said.err
    again = say("harness cost maml/sinusoid-5shot --stored --format json")
    assert again.out == said.out


def test_every_format(say, made_up):
    line = TINY.replace("--steps 1", "--steps 1 5")
    assert "A meta-step on" in say(line).out
    for form, start in (("md", "**A meta-step"), ("latex", "% A meta-step"), ("csv", "machine,")):
        assert say(f"{line} --stored --format {form}").out.startswith(start)
    assert len(made_up) == 4, "--stored measures nothing"


def test_claims_alone(say, made_up, workplace):
    words = "--variant second-order --engines func loop --steps 1 10 --rounds 2"
    assert say(f"harness cost maml/omniglot-5way-1shot {words}").status == 0
    said = say("harness cost maml/omniglot-5way-1shot --stored --claims --format json")
    rows = json.loads(said.out)
    assert {r["verdict"] for r in rows} == {"not comparable", "context"}
    constant = [r for r in rows if r["claim"] == "memory constant in inner steps"]
    assert len(constant) == 4
    why = "claimed of implicit MAML, another method"
    assert all(r["reason"].split("; ")[0] == why for r in constant)


def test_a_claim_that_is_comparable_gets_a_verdict(say, made_up, workplace):
    cell = "maml/mini-imagenet-5way-1shot"
    assert say(f"harness cost {cell} --engines func loop --steps 5 10 --rounds 2").status == 0
    saving = json.loads(say(f"harness cost {cell} --stored --claims --format json").out)
    assert [(r["engine"], r["inner_steps"]) for r in saving] == [("func", 5), ("loop", 5)]
    assert all(r["published"] == 33 and r["measured"] == 0.0 for r in saving), "all cost the same"
    assert {r["verdict"] for r in saving} == {"worse"}


def test_plots_leave_stdout_to_the_table(say, made_up):
    line = TINY.replace("--steps 1", "--steps 1 5").replace("--set", "--engines func --set", 1)
    line = line.replace("--set training.meta_batch=2 --set method.hidden=[4]", "")
    said = say(f"{line} --format json --plots plots")
    json.loads(said.out)
    assert "wrote plots/maml/sinusoid-5shot-maml-cost-" in said.err
    assert len(list(Path("plots").rglob("*.svg"))) == 1


def test_stopping_keeps_what_is_finished(say, monkeypatch):
    count = []

    def stopped(request):
        count.append(request)
        if len(count) == 5:
            raise KeyboardInterrupt
        return outcome(request.kind)

    monkeypatch.setattr(session, "measure_apart", stopped)
    line = TINY.replace("--steps 1", "--steps 1 2 5")
    said = say(line)
    assert said.status == 130
    assert "harness: stopped; finished points are on record; the same command goes on" in said.err
    assert say(line).status == 0
    assert len(count) == 5 + 2, "the third point alone, time and memory"


def test_nothing_on_record_says_so(say, made_up):
    said = say("harness cost protonet/omniglot-5way-1shot --stored")
    assert (said.status, said.out) == (0, "no rows\n")
    assert "nothing on record; `harness cost protonet/omniglot-5way-1shot` measures." in said.err
    assert made_up == []


def test_a_method_without_an_inner_loop_has_a_row_a_variant(say, made_up):
    said = say("harness cost protonet/omniglot-5way-1shot --rounds 1 --format json")
    rows = json.loads(said.out)
    assert [(r["variant"], r["engine"], r["inner_steps"]) for r in rows] == [
        ("euclidean", None, None),
        ("cosine", None, None),
    ]
    assert all(r["as_published"] for r in rows)


def test_missing_images_are_one_sentence(say, workplace, monkeypatch):
    def missing(request):
        raise HarnessError("found no Omniglot images.")

    monkeypatch.setattr(session, "measure_apart", missing)
    said = say("harness cost maml/omniglot-5way-1shot --steps 1")
    assert said.sentence == "found no Omniglot images."
    assert not list(workplace.rglob("*.json"))


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("--seconds 0", "--seconds: found 0.0, wanted above 0, at most 86400; see `harness cost"),
        ("--seconds nan", "--seconds: found 'nan', wanted a number, above 0, at most 86400; see"),
        ("--limit -1", "--limit: found -1.0, wanted above 0, at most 86400; see"),
        ("--limit inf", "--limit: found 'inf', wanted a number, above 0, at most 86400; see"),
        ("--limit 9", "--limit: found 9, wanted at least twice the 5 of --seconds"),
        ("--rounds 0", "--rounds: found 0, wanted 1 to 1000; see"),
        ("--threads 0", "--threads: found 0, wanted 1 to 4; see"),
        ("--threads 100000", "--threads: found 100000, wanted 1 to 4; see"),
        ("--steps 0", "--steps: found 0, wanted 1 to 10000; see"),
        ("--steps 10000000000", "--steps: found 10000000000, wanted 1 to 10000; see"),
        ("--engines lop", "found engine 'lop' (did you mean 'loop'?)"),
        ("--variant mml", "found variant 'mml' (did you mean 'maml'?)"),
        ("--set method.order=first", "which the grid sets; use --orders and --steps."),
        ("--set method.rte=1", "found switch 'method.rte'"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(say, workplace, made_up, more, expected):
    assert expected in say(f"harness cost maml/sinusoid-5shot {more}").sentence
    assert made_up == []
    assert not list(workplace.rglob("*.json"))


def test_no_device(say, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    said = say("harness cost maml/sinusoid-5shot --device cuda")
    assert "found no CUDA device" in said.sentence


def test_choices_are_the_renderers_formats():
    from harness.report.render import FORMATS

    parser = argparse.ArgumentParser()
    cost.add_arguments(parser)
    [action] = [a for a in parser._actions if a.dest == "format"]
    assert tuple(action.choices or ()) == FORMATS
