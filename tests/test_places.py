"""Where things are unless told."""

from __future__ import annotations

import pytest

from harness.catalog import replications_folder
from harness.data.paths import cache_folder
from harness.errors import HarnessError
from harness.places import results_folder, work_folder


def test_beside_the_papers_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = replications_folder().parent
    assert results_folder(None) == root / "results"
    assert work_folder(None) == root / "runs"
    given = tmp_path / "given"
    assert (results_folder(given), work_folder(given)) == (given, given)


def test_beside_other_papers(tmp_path, monkeypatch):
    (tmp_path / "papers").mkdir()
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(tmp_path / "papers"))
    assert results_folder(None) == tmp_path / "results"


def test_without_papers_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(tmp_path / "nowhere"))
    assert not results_folder(None).is_absolute()


def test_a_tilde_is_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HARNESS_REPLICATIONS", "~/papers")
    monkeypatch.delenv("HARNESS_CACHE", raising=False)
    assert replications_folder() == tmp_path / "papers"
    assert cache_folder() == tmp_path / ".cache" / "metalearning-replications"


def test_no_home_is_one_sentence(monkeypatch):
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("HARNESS_CACHE", raising=False)
    monkeypatch.setattr("os.getuid", lambda: 2**30)  # a number that no user has
    with pytest.raises(HarnessError, match=r"found no home folder .* or HARNESS_CACHE to a folder"):
        cache_folder()
    monkeypatch.setenv("HARNESS_REPLICATIONS", "~/papers")
    with pytest.raises(HarnessError, match="or HARNESS_REPLICATIONS to a folder"):
        replications_folder()
