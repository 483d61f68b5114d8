from __future__ import annotations

import os

import pytest

from harness.data.paths import data_folders, places
from harness.errors import HarnessError


def test_several_folders_in_order_then_the_cache(tmp_path, monkeypatch):
    a, b, cache = (tmp_path / name for name in ("a", "b", "cache"))
    a.mkdir()
    b.mkdir()
    monkeypatch.setenv("HARNESS_CACHE", str(cache))
    monkeypatch.setenv("HARNESS_DATA", os.pathsep.join([str(b), str(a), ""]))
    assert data_folders() == [b, a]
    assert list(places("x", "y")) == [f / n for f in (b, a, cache) for n in ("x", "y")]
    monkeypatch.delenv("HARNESS_DATA")
    assert list(places("x")) == [cache / "x"]


def test_each_has_to_be_a_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", os.pathsep.join([str(tmp_path), str(tmp_path / "gone")]))
    with pytest.raises(HarnessError, match=r"HARNESS_DATA names '.*gone', which is not a folder"):
        data_folders()
