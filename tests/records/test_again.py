"""A file that a record names and that was left out of the repository: how to have it again."""

from __future__ import annotations

import dataclasses
import sys

import pytest

from harness.catalog import replications_folder
from harness.cli.main import main
from harness.records.again import run_again
from harness.records.schema import read_record
from harness.run.lock import locked

SIAMESE = replications_folder().parent / "results/siamese/one-shot/convolutional-30k"


@pytest.mark.parametrize("verb", ["evaluate", "explain"])
def test_weights_left_out_are_one_sentence(tmp_path, capsys, verb):
    [record] = SIAMESE.glob("*/record.json")
    folder = tmp_path / "seed"
    folder.mkdir()
    for path in record.parent.iterdir():
        if path.name != "weights.safetensors":
            (folder / path.name).write_bytes(path.read_bytes())
    what = ["--record", str(folder)]
    if verb == "evaluate":
        what = ["--weights", str(folder / "weights.safetensors")]
    assert main([verb, "siamese/one-shot", *what]) == 2
    assert capsys.readouterr().err == (
        f"harness: {folder}/weights.safetensors: the record names this file, but it is not here "
        f"(the repository leaves out weights that are too large or of a shorter run); run "
        f"`harness run siamese/one-shot --variant convolutional-30k --seeds 0 --budget 0.003 "
        f"--results elsewhere` to make it again there.\n"
    )


def test_changed_switches_are_set_again():
    [path] = SIAMESE.glob("*/record.json")
    record = dataclasses.replace(
        read_record(path),
        protocol_differences=["method.units: 4096 -> 8", "tasks.ink: one -> zero"],
        protocol={"method": {"units": 8}, "tasks": {"ink": "zero"}},
    )
    words = "--set method.units=8 --set 'tasks.ink=\"zero\"' --results elsewhere"
    assert run_again(record).endswith(words)


def test_a_run_needs_no_locks_of_the_system(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with locked(tmp_path / "run"):
        assert (tmp_path / "run").is_dir()
