"""Mutations of protocol and starts, and the tests that notice them: run by hand.

    python tests/mutations.py            all of them: a second or two each
    python tests/mutations.py mann r2d2  those whose file has one of the words

Each is made alone in a copy of the checkout; the tests beside it are run there, of which at least
one must fail. It ends with 1 where one does not, or where tests fail without any mutation.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import tomllib
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent


class Mutation(NamedTuple):
    """What is changed in one file, and a file of tests of which one must fail."""

    file: str
    old: str
    new: str
    tests: str


def mutations(root: Path = ROOT) -> list[Mutation]:
    """Return those of every `mutations.toml`: of a paper in its folder, of what papers share beside
    the tests."""
    found = []
    for place in sorted([*root.glob("replications/*"), *root.glob("tests/*")]):
        path = place / "mutations.toml"
        if not path.is_file():
            continue
        beside = place.relative_to(root).as_posix()
        for table in tomllib.loads(path.read_text(encoding="utf-8"))["mutation"]:
            found.append(Mutation(**{**table, "tests": f"{beside}/{table['tests']}"}))
    return found


def warm_up() -> None:
    """Load what takes seconds once, so that each mutation's process has it from its parent."""
    from scipy import stats

    stats.norm.cdf(torch.optim.Adam([torch.zeros(1, requires_grad=True)]).defaults["lr"])
    torch.nn.Conv2d(1, 1, 1, device="meta").to_empty(device="cpu")


def run(copy: Path, tests: list[str], log: Path) -> None:
    """Run `tests` in the copy, in this process, up to the first one that fails."""
    os.chdir(copy)
    # Bytecode is told apart by seconds and sizes, which a mutation may leave as they are.
    sys.dont_write_bytecode = True
    with log.open("w", encoding="utf-8") as out, redirect_stdout(out):
        pytest.main(["-x", "-q", "--tb=no", "-p", "no:cacheprovider", *tests])


def failed(copy: Path, tests: list[str]) -> str:
    """Run `tests` in the copy and name the first one that fails, or return an empty string."""
    log = copy / "log"
    process = multiprocessing.get_context("fork").Process(target=run, args=(copy, tests, log))
    process.start()
    process.join()
    said = log.read_text(encoding="utf-8")
    if match := re.search(r"^FAILED (.+?)(?: - |$)", said, re.MULTILINE):
        return match[1]
    if not re.search(r"^\d+ passed", said, re.MULTILINE):
        raise SystemExit(f"{' '.join(tests)}: no test failed and none passed:\n{said}")
    return ""


def main(words: list[str]) -> int:
    """Try the mutations whose file has one of `words`, or all; return the exit status."""
    warm_up()
    chosen = [m for m in mutations() if not words or any(word in m.file for word in words)]
    unnoticed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in ("harness", "replications", "tests"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        if wrong := failed(copy, sorted({tests for *_, tests in chosen})):
            print(f"found {wrong} failing without a mutation")
            return 1
        for file, old, new, tests in chosen:
            path, text = copy / file, (ROOT / file).read_text(encoding="utf-8")
            if old not in text:
                raise SystemExit(f"{file}: found no {old!r}, which its mutation changes.")
            path.write_text(text.replace(old, new), encoding="utf-8")
            noticed = failed(copy, [tests])
            path.write_text(text, encoding="utf-8")
            print(f"{file}: {old!r} -> {new!r}: {noticed or 'NOT NOTICED'}", flush=True)
            unnoticed += not noticed
    print(f"{len(chosen)} mutations, {unnoticed} not noticed")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
