"""Every commit that a record names is in the history of what holds the record."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMIT = re.compile(r'"commit": ?"([0-9a-f]{40})"')


def git(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)


def commits() -> dict[str, str]:
    """Commits named under `results/`, each with one file that names it."""
    file_of = {}
    for path in sorted((ROOT / "results").rglob("*.json")):
        for commit in COMMIT.findall(path.read_text(encoding="utf-8")):
            file_of[commit] = path.relative_to(ROOT).as_posix()
    return file_of


def test_records_name_commits_of_this_history():
    if git("rev-parse", "--is-shallow-repository").stdout.strip() != "false":
        pytest.skip("not a git checkout with its whole history")
    named = commits()
    assert named
    missing = {
        path
        for commit, path in named.items()
        if git("merge-base", "--is-ancestor", commit, "HEAD").returncode
    }
    assert not missing
