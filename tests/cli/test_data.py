from __future__ import annotations

import argparse
import shlex

import pytest

from harness.cli import data
from harness.errors import HarnessError


def run(line: str) -> int:
    parser = argparse.ArgumentParser()
    data.add_arguments(parser)
    return data.main(parser.parse_args(shlex.split(line)))


@pytest.fixture(autouse=True)
def no_data(monkeypatch, tmp_path):
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))


def test_examples_parse():
    parser = argparse.ArgumentParser()
    data.add_arguments(parser)
    for line in data.EXAMPLES:
        words = shlex.split(line)[2:]
        assert words[0] in vars(parser.parse_args(words)).values()


def test_list(capsys, tmp_path):
    (tmp_path / "stores").mkdir()
    (tmp_path / "stores" / "omniglot-28-box-v2.safetensors").touch()
    assert run("list") == 0
    out = capsys.readouterr().out
    assert "run `harness data fetch omniglot`" in out
    assert "omniglot-28-box-v2" in out
    assert "glyphs" in out


def test_verify(capsys):
    assert run("verify glyphs --image-size 20 --split-seed 4") == 0
    assert "20 x 20 pixels" in capsys.readouterr().out
    with pytest.raises(HarnessError, match="found no Omniglot images"):
        run("verify omniglot")


def test_fetch_of_an_unknown_name():
    with pytest.raises(HarnessError, match="wanted one of omniglot"):
        run("fetch mnist")


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--image-size 0", "argument --image-size: found 0, wanted 8 to 512\n"),
        ("--image-size 28.0", "--image-size: found '28.0', wanted a whole number, 8 to 512\n"),
        ("--split-seed -1", "argument --split-seed: found -1, wanted 0 to 2**63 - 1\n"),
    ],
)
def test_a_number_out_of_range_is_one_sentence(capsys, option, sentence):
    with pytest.raises(SystemExit):
        run(f"verify glyphs {option}")
    assert capsys.readouterr().err.endswith(sentence)
