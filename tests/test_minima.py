"""The lowest versions that are promised are the ones that `tox -e minima` installs and tests."""

from __future__ import annotations

import configparser
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ABOUT = PROJECT["project"]
TESTED = {k: v for k, v in ABOUT["optional-dependencies"].items() if k not in ("bench", "lint")}


def promised():
    """Package -> lowest version, of what users and tests install."""
    lowest_of = {}
    for line in (*ABOUT["dependencies"], *(x for extra in TESTED.values() for x in extra)):
        if line.startswith(f"{ABOUT['name']}["):
            continue
        name, lowest = re.fullmatch(r"([\w-]+)>=([\d.]+)", line).groups()
        lowest_of[name] = lowest
    return lowest_of


def pinned(file):
    """Package -> version of a constraints file."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def numbers(version):
    """A version to compare, with at least three numbers."""
    parts = [int(part) for part in version.split(".")]
    return tuple(parts + [0] * (3 - len(parts)))


def test_the_minima_that_are_tested_are_those_that_are_promised():
    tested = pinned("constraints-minima.txt")
    assert tested.keys() - promised().keys() == {"pyparsing"}
    for name, lowest in promised().items():
        assert numbers(tested[name]) == numbers(lowest), name


@pytest.mark.parametrize("name", sorted(promised()))
def test_what_is_tested_otherwise_is_within_what_is_promised(name):
    usual = {k.lower(): v for k, v in pinned("constraints.txt").items()}
    assert numbers(usual[name]) >= numbers(promised()[name])


def test_the_lowest_python_is_the_same_everywhere():
    lowest = ABOUT["requires-python"].removeprefix(">=")
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    assert tox["testenv:minima"]["base_python"] == f"python{lowest}"
    assert tox["testenv:minima"]["constraints"] == "constraints-minima.txt"
    assert PROJECT["tool"]["ruff"]["target-version"] == f"py{lowest.replace('.', '')}"
    assert PROJECT["tool"]["mypy"]["python_version"] == lowest
    said = [c.rpartition(" ")[2] for c in ABOUT["classifiers"] if "Python :: 3." in c]
    assert said[0] == lowest
    assert said == sorted(said, key=numbers)
