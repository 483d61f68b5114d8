"""A clone that turns line endings (`core.autocrlf`, usual on Windows) reads its own results."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.records.store import StoredRecord, find_records, verify_files

ROOT = Path(__file__).resolve().parent.parent
TEXTS = ("README.md", "tox.ini", "replications/maml/paper.toml", "replications/maml/published.csv")

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def git(*words, at):
    # Neither the repository that this runs in nor the settings of who runs it.
    clean = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    clean |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "safe.directory=*")
    return subprocess.run(
        ["git", *who, *words], cwd=at, env=clean, check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture(scope="module")
def record():
    """A record of the project with its curve, scores and weights, as the repository holds it."""
    folder = next((ROOT / "results/maml/sinusoid-5shot/maml").glob("seed0-full-*"))
    return StoredRecord(folder, verify_files(folder))


@pytest.fixture(scope="module", params=["with", "without"])
def clone(request, record, tmp_path_factory):
    """A clone, made under core.autocrlf, of a repository with or without the attributes."""
    at = tmp_path_factory.mktemp("endings")
    for name in TEXTS + ((".gitattributes",) if request.param == "with" else ()):
        (at / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, at / "project" / name)
    shutil.copytree(record.folder, at / "project" / record.folder.relative_to(ROOT))
    git("init", "-q", at=at / "project")
    git("add", ".", at=at / "project")
    git("commit", "-qm", "all", at=at / "project")
    git("-c", "core.autocrlf=true", "clone", "-q", "project", "clone", at=at)
    return request.param, at / "clone"


def test_records_are_read_in_a_clone_of_other_line_endings(clone, record):
    attributes, folder = clone
    [stored] = find_records(folder / "results")
    if attributes == "without":  # or this test would see nothing
        assert b"\r\n" in (stored.folder / "curve.csv").read_bytes()
        return
    assert verify_files(stored.folder).result_digest == record.record.result_digest
    assert stored.curve == record.curve
    for name in ("record.json", *stored.record.files):
        assert (stored.folder / name).read_bytes() == (record.folder / name).read_bytes()


def test_texts_have_the_same_lines_in_every_clone(clone):
    attributes, folder = clone
    for name in TEXTS:
        assert (b"\r\n" in (folder / name).read_bytes()) is (attributes == "without")
    git("config", "core.autocrlf", "true", at=folder)
    assert git("status", "--porcelain", at=folder) == ""


def test_no_file_of_the_repository_is_at_odds_with_its_attributes():
    if not (ROOT / ".git").exists():
        pytest.skip("needs a checkout")
    for line in git("ls-files", "--eol", ":!results", at=ROOT).splitlines():
        about, name = line.split("\t")
        assert about.split()[0] in ("i/lf", "i/-text", "i/none"), name
