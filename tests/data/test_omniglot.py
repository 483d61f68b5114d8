from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from harness.data import omniglot
from harness.data.cache_file import cache_file, read_store, save_store
from harness.data.datasets import load_store
from harness.data.glyphs import make_glyphs
from harness.data.known import KNOWN
from harness.data.omniglot import load_omniglot
from harness.data.omniglot_source import OmniglotSource
from harness.errors import HarnessError

needs_omniglot = [
    pytest.mark.omniglot,
    pytest.mark.skipif(not os.environ.get("HARNESS_DATA"), reason="HARNESS_DATA is not set"),
]


def test_built_once_then_read(make_zips, monkeypatch):
    make_zips()
    store = load_omniglot(20, "box")
    assert store.images.shape == (85, 20, 20, 20)
    assert len(np.unique(store.images)) > 2
    monkeypatch.delenv("HARNESS_DATA")
    again = load_omniglot(20, "box")
    assert again.digest == store.digest
    assert again.class_names == store.class_names
    np.testing.assert_array_equal(again.images, store.images)
    assert sorted(p.name for p in cache_file("omniglot", 20, "box").parent.iterdir()) == [
        "omniglot-20-box-v3.safetensors",
        "omniglot-20-box-v3.safetensors.checked",
    ]


def test_corrupt_png_names_the_drawing(make_zips):
    make_zips(lambda files: files.update({next(n for n in files if "/Greek/" in n): b"PNG?"}))
    with pytest.raises(
        HarnessError,
        match=r"images_background.*: drawing 1 of Greek/character01 is not a readable PNG",
    ):
        load_omniglot(28, "nearest")


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text"])
def test_broken_cache_file_is_set_aside(tmp_path, capsys, damage):
    path = tmp_path / "a.safetensors"
    save_store(make_glyphs(16), path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 255
    path.write_bytes(
        {"cut": content[:5000], "flip": content, "empty": b"", "text": b"{}" * 50}[damage]
    )
    assert read_store(path) is None
    assert "is broken" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors.broken"]
    assert read_store(path) is None  # nothing there: no message, no error
    assert capsys.readouterr().err == ""


def test_unwritable_cache_does_not_stop(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(
        omniglot, "find_omniglot", lambda: OmniglotSource(tmp_path / "file", tmp_path / "file")
    )
    monkeypatch.setattr(omniglot, "build_omniglot", lambda *_: make_glyphs(16))
    assert load_omniglot(16, "box").dataset == "glyphs"
    assert "cannot keep" in capsys.readouterr().err


def test_a_failed_write_leaves_nothing(monkeypatch, tmp_path):
    def fail(*_):
        raise OSError("no space")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        save_store(make_glyphs(16), tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_processes_racing_for_one_file(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from harness.data.cache_file import cache_file, read_store, save_store\n"
        "from harness.data.glyphs import make_glyphs\n"
        "store, path = make_glyphs(28), Path(sys.argv[1])\n"
        "for _ in range(5):\n"
        "    save_store(store, path)\n"
        "    assert read_store(path).digest == store.digest\n"
    )
    racers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "a")], stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    assert [(r.communicate()[1], r.returncode) for r in racers] == [(b"", 0)] * 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "a.checked"]


def test_wrong_names_and_sizes():
    with pytest.raises(HarnessError, match="did you mean 'omniglot'"):
        load_store("omnigolt", 28, "nearest")
    with pytest.raises(HarnessError, match="did you mean 'bilinear'"):
        load_store("glyphs", 28, "bilinea")
    with pytest.raises(HarnessError, match="image size 2,"):
        load_store("glyphs", 2, "nearest")


class TestRealImages:
    pytestmark = needs_omniglot

    def test_counts_digest_and_quick_reload(self):
        store = load_store("omniglot", 28, "nearest")
        assert store.images.shape == (1623, 20, 28, 28)
        assert store.source_digest == KNOWN["omniglot"].digest
        assert not store.synthetic
        assert set(np.unique(store.images)) == {0, 255}
        assert 0.05 < (store.images / 255).mean() < 0.12
        start = time.perf_counter()
        load_omniglot(28, "nearest")
        assert time.perf_counter() - start < 2

    def test_background_part(self):
        store = load_store("omniglot", 28, "nearest")
        assert store.part.sum() == 964
        assert store.part[store.class_names.index("Greek/character01")]
        assert not store.part[store.class_names.index("Angelic/character01")]
