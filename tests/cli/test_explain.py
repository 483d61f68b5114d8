"""`harness explain`, end to end on weights of three training steps."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from harness.cli import explain
from harness.explain.explanation import find_explanations

SMOKE = "harness run maml/sinusoid-5shot --variant maml --budget smoke --set training.meta_batch=2"
LINE = "harness explain maml/sinusoid-5shot"


@pytest.fixture
def weights(say):
    assert say(SMOKE).status == 0


def test_a_whole_table_is_put_on_record(say, weights):
    said = say(f"{LINE} --format json")
    assert said.status == 0, said
    [shown] = json.loads(said.out)
    [kept] = find_explanations(Path("results"), "maml/sinusoid-5shot")
    assert shown["record_digest"] == kept.record_digest
    assert [r["effect"] for r in shown["rows"]] == [r.effect for r in kept.rows]
    assert kept.mean == kept.recorded
    assert kept.tested["device"] == "cpu"
    assert "on record in results/explain/maml/sinusoid-5shot/maml-seed0-smoke-" in said.err
    assert say("harness compare maml").status == 0, "no record among the records"


def test_part_of_a_table_is_not(say, weights):
    said = say(f"{LINE} --switch method.test_steps --format csv")
    assert {line.split(",")[1] for line in said.out.splitlines()[1:]} == {"method.test_steps"}
    assert "not put on record: some switches only" in said.err
    assert find_explanations(Path("results"), "maml/sinusoid-5shot") == []


def test_a_record_can_be_named(say, weights):
    [folder] = Path("results/maml/sinusoid-5shot/maml").iterdir()
    said = say(f"{LINE} --record {folder} --switch method.test_steps")
    assert said.status == 0
    assert said.out.startswith("maml/sinusoid-5shot/maml seed 0, budget smoke: mse@1 ")
    other = say(f"harness explain maml/sinusoid-10shot --record {folder}")
    assert "belongs to maml/sinusoid-5shot, not to maml/sinusoid-10shot" in other.err


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ("", "found no trained weights of maml/sinusoid-5shot in results; run `harness run"),
        ("--variant mml", "found variant 'mml' (did you mean 'maml'?)"),
        ("--tasks 1", "--tasks: found 1, wanted 2 to 1000000; see `harness explain --help`."),
        ("--tasks 10000000000", "--tasks: found 10000000000, wanted 2 to 1000000; see"),
        ("--episodes 600 -3", "--episodes: found -3, wanted 2 to 1000000; see"),
        ("--episodes 1.5", "--episodes: found '1.5', wanted a whole number, 2 to 1000000; see"),
        ("--pair method.order=first", "--pair: found no --train"),
        (
            "--train smoke --pair method.order",
            "--pair: found 'method.order', wanted section.switch",
        ),
    ],
)
def test_a_mistake_is_one_sentence(say, workplace, more, sentence):
    assert sentence in say(f"{LINE} {more}").sentence
    assert not list(workplace.iterdir())


def test_choices_are_the_renderers_formats():
    from harness.report.render import FORMATS

    parser = argparse.ArgumentParser()
    explain.add_arguments(parser)
    [action] = [a for a in parser._actions if a.dest == "format"]
    assert tuple(action.choices or ()) == FORMATS
