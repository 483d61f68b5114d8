"""Zips of any names and any bytes: nothing is extracted, and a bad one is one sentence."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.archive import open_archive
from harness.data.omniglot_source import find_omniglot, read_drawings
from tests.fuzz.guard import boxed, fuzzed, told

NAMES = (
    *("../x", "/x", "C:\\x", "a/../../x", "images_background/A/character01/0001_01.png", "a/", ""),
    *("images_background\\A\\character01\\0001_01.png", "\x00", "a" * 5_000, "\udcff", "..\\x"),
)
PARTS = ("images_background.zip", "images_evaluation.zip")


def zipped(members):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content in members.items():
            z.writestr(name, content)
    return data.getvalue()


def read_all(path):
    with open_archive(path, "take a fresh copy") as archive:
        return {name: archive.read(name) for name in archive.names}


names = (st.sampled_from(NAMES) | st.text(max_size=12)).filter(
    lambda n: n[:1] not in ("", "\x00") and not any("\ud800" <= c <= "\udfff" for c in n)
)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members(tmp_path):
    path = tmp_path / "x.zip"

    @fuzzed
    @given(st.dictionaries(names, st.binary(max_size=50), max_size=4))
    def anything(members):
        path.write_bytes(zipped(members))
        told(lambda: read_all(path), tmp_path)

    boxed(1, anything)
    path.write_bytes(zipped({"a": b"\0" * (8 << 20)}))
    assert "a is larger than" in told(lambda: read_all(path), tmp_path)


def test_bytes(tmp_path):
    path = tmp_path / "x.zip"
    right = zipped({"a/b.png": b"some bytes" * 20, "c.png": b"more"})

    @fuzzed
    @given(
        st.integers(0, len(right)),
        st.integers(0, 40),
        st.binary(max_size=20) | st.just(b"\xff" * 8) | st.just(b"\0" * 8),
    )
    def changed(at, left_out, put_in):
        path.write_bytes(right[:at] + put_in + right[at + left_out :])
        told(lambda: read_all(path), tmp_path)

    boxed(1, changed)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_omniglot(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))

    @fuzzed
    @given(st.dictionaries(names, st.binary(max_size=50), max_size=4), st.binary(max_size=100))
    def anything(members, other):
        for name, data in zip(PARTS, (zipped(members), other), strict=True):
            (tmp_path / name).write_bytes(data)
        said = told(lambda: list(read_drawings(find_omniglot())), tmp_path)
        assert isinstance(said, str)

    boxed(1, anything)
