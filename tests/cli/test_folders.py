"""Words that name a folder: what cannot be one is refused before any work."""

from __future__ import annotations

import os

import pytest

RUN = "harness run maml/sinusoid-5shot --variant maml --budget smoke"
LINES = (
    f"{RUN} --results",
    f"{RUN} --work",
    "harness list --results",
    "harness compare --results",
    "harness compare --plots",
    "harness cost maml/sinusoid-5shot --results",
    "harness cost maml/sinusoid-5shot --plots",
    "harness explain maml/sinusoid-5shot --results",
    "harness explain maml/sinusoid-5shot --work",
    "harness explain maml/sinusoid-5shot --record",
)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("kind", ["loop", "pipe", "file", "inside a file"])
def test_what_can_be_no_folder_is_refused(say, workplace, line, kind):
    odd = workplace / "odd"
    if kind == "loop":
        odd.symlink_to(odd)
    elif kind == "pipe":
        os.mkfifo(odd)
    else:
        odd.write_text("")
    word, why = odd.name, "which is no folder, wanted one"
    if kind == "loop":
        why = "(Too many levels of symbolic links), wanted a folder"
    elif kind == "inside a file":
        word, why = f"{odd.name}/x", "(Not a directory), wanted a folder"
    name = line.rpartition(" ")[2]
    assert f"argument {name}: found '{word}'" in (said := say(f"{line} {word}").sentence)
    assert why in said
    assert [p.name for p in workplace.iterdir()] == ["odd"]


def test_a_name_that_is_no_utf8(say, workplace):
    word = os.fsdecode(b"sur\xff")
    said = say(f"harness list maml/sinusoid-5shot --results {word}")
    assert r"found no folder sur\udcff, wanted the one with records" in said.sentence
    (workplace / word).mkdir()
    said = say(f"harness list maml/sinusoid-5shot --results {word}")
    assert said.status == 0
    assert r"harness: records in sur\udcff" in said.err


@pytest.mark.parametrize("verb", ["list", "compare"])
def test_the_folder_that_is_read_is_named(say, verb):
    assert say(f"harness {verb} maml/sinusoid-5shot").err == "harness: records in results\n"


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("maml/sinusoid-5shot/maml/seed0-full-12345678/record.json", "harness list --results r"),
        (
            "maml/sinusoid-5shot/maml/seed0-full-12345678/record.json",
            "harness evaluate maml/sinusoid-5shot --weights "
            "r/maml/sinusoid-5shot/maml/seed0-full-12345678/weights.safetensors",
        ),
        (
            "costs/machine/maml-sinusoid-5shot.json",
            "harness cost maml/sinusoid-5shot --stored --results r",
        ),
    ],
)
def test_a_pipe_in_place_of_a_record_keeps_nobody_waiting(say, workplace, place, line):
    path = workplace / "r" / place
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    assert "not a file but a pipe, device or the like" in say(line).sentence


def test_a_pipe_in_place_of_weights(say, workplace):
    os.mkfifo(workplace / "w")
    said = say("harness evaluate maml/sinusoid-5shot --weights w")
    assert said.sentence == "w: found no plain file, wanted a file of weights in safetensors form."
