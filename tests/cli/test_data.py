from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path

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
    assert "omniglot-28-box-v2.safetensors, which cannot be read" in out
    assert "glyphs" in out


def test_a_folder_that_cannot_be_read_does_not_end_the_list(capsys, tmp_path, monkeypatch):
    good = tmp_path / "good"
    (good / "cifar100").mkdir(parents=True)
    (good / "cifar-100-python.tar.gz").touch()
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    bad = tmp_path / "bad"
    bad.mkdir()
    scandir = os.scandir

    def refuse(path="."):
        if str(path) == str(bad):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("os.scandir", refuse)
    monkeypatch.setenv("HARNESS_DATA", os.pathsep.join(map(str, (bad, loop, good))))
    assert run("list") == 0
    out, err = capsys.readouterr()
    assert err.splitlines() == [
        f"harness: HARNESS_DATA names '{bad}', which cannot be read (Permission denied); "
        "set it right.",
        f"harness: HARNESS_DATA names '{loop}', which is not a folder; set it right.",
    ]
    assert f"found {good}/cifar-100-python.tar.gz, wanted what it holds" in out
    assert [line for line in out.splitlines() if line[0] != " "][-1].startswith("textures: ")
    with pytest.raises(HarnessError, match=r"cannot be read \(Permission denied\)"):
        run("verify omniglot")


def test_a_folder_below_that_cannot_be_read_does_not_end_the_list(capsys, tmp_path, monkeypatch):
    inside = tmp_path / "mini-imagenet"
    inside.mkdir()
    iterdir = Path.iterdir

    def refuse(self):
        if self == inside:
            raise PermissionError(13, "Permission denied", str(self))
        return iterdir(self)

    monkeypatch.setattr(Path, "iterdir", refuse)
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    assert run("list") == 0
    out = capsys.readouterr().out
    assert f"  {inside} cannot be read (Permission denied); mend it or take it away.\n" in out
    assert "textures: " in out


def test_without_a_home(capsys, monkeypatch):
    def homeless(self):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("HARNESS_CACHE")
    monkeypatch.setattr(Path, "expanduser", homeless)
    assert run("list") == 0
    assert (
        "found no home folder for ~/.cache/metalearning-replications, wanted one"
        in capsys.readouterr().out
    )
    with pytest.raises(HarnessError, match="found no home folder"):
        run("verify omniglot")
    monkeypatch.setenv("HARNESS_DATA", "~nobody/x")
    assert run("list") == 0
    assert "names '~nobody/x', but there is no such home; set it right." in capsys.readouterr().err


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
