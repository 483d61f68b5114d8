"""The guard of the other tests sees what it is there to see."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.errors import HarnessError
from tests.fuzz import guard
from tests.fuzz.guard import told


def refuse(words: str) -> None:
    raise HarnessError(words)


def test_one_sentence_is_given_and_more_is_not(tmp_path):
    assert told(lambda: refuse("found x."), tmp_path) == "found x."
    assert told(lambda: 3, tmp_path) == 3
    for words in ("two\nlines", "", "x" * 10_000):
        with pytest.raises(AssertionError):
            told(lambda words=words: refuse(words), tmp_path)
    with pytest.raises(ZeroDivisionError):
        told(lambda: 1 // 0, tmp_path)


def test_a_write_outside_is_seen(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    told(lambda: (inside / "x").write_text("x"), inside)
    for call in (
        lambda: (tmp_path / "x").write_text("x"),
        lambda: (inside / "x").rename(tmp_path / "y"),
        lambda: (tmp_path / "folder").mkdir(),
        lambda: (inside / "../z").touch(),
    ):
        with pytest.raises(AssertionError):
            told(call, inside)


def test_a_program_and_a_hang_are_seen(tmp_path, monkeypatch):
    with pytest.raises(AssertionError, match="Popen"):
        told(lambda: subprocess.run([sys.executable, "--version"], check=True), tmp_path)
    monkeypatch.setattr(guard, "SECONDS", 0.05)
    with pytest.raises(AssertionError, match="took more than"):
        told(lambda: all(x >= 0 for x in iter(int, 1)), tmp_path)


def test_memory_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "BYTES", -1)
    with pytest.raises(AssertionError, match="bytes more"):
        told(lambda: None, tmp_path)
