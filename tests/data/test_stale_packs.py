"""A packed store is checked against the files that it was made from."""

from __future__ import annotations

import os
import zipfile

import numpy as np
import pytest

from harness.data.cache_file import cache_file, packed_from, read_store, save_store
from harness.data.color_store import load_color
from harness.data.datasets import load_store
from harness.data.glyphs import make_glyphs
from harness.data.known import KNOWN, Known
from harness.data.omniglot import load_omniglot
from harness.errors import HarnessError
from tests.color_trees import cifar_archive, cifar_tree, mini_tree, picture, pixels, use_few
from tests.data.conftest import png

Image = pytest.importorskip("PIL.Image")


def load():
    return load_omniglot(28, "nearest")


def other_png() -> bytes:
    from io import BytesIO

    out = BytesIO()
    Image.open(BytesIO(png())).rotate(90).save(out, "PNG")
    return out.getvalue()


def rewrite(path, content: bytes) -> None:
    """Put other drawings of the same names into the zip at `path`."""
    with zipfile.ZipFile(path) as z:
        names = z.namelist()
    with zipfile.ZipFile(path, "w") as z:
        for name in names:
            z.writestr(name, content)


def test_other_zips_are_packed_anew(make_zips, capsys):
    folder = make_zips()
    first = load()
    assert first.made_of == f"{folder}/images_background.zip and {folder}/images_evaluation.zip"
    assert load().digest == first.digest
    assert capsys.readouterr().err == ""
    rewrite(folder / "images_background.zip", other_png())
    second = load()
    assert "changed since omniglot-28-nearest-v3.safetensors was packed" in capsys.readouterr().err
    assert second.digest != first.digest
    assert second.source_digest != first.source_digest
    assert load().digest == second.digest
    assert capsys.readouterr().err == ""


def test_a_pack_outlives_its_files_and_says_so(make_zips, monkeypatch, capsys):
    folder = make_zips()
    first = load()
    (folder / "images_evaluation.zip").write_bytes(b"cut off")
    assert load().digest == first.digest
    err = capsys.readouterr().err
    assert "images_evaluation.zip is not a readable zip" in err
    assert f"going on with the omniglot packed earlier from {folder}/images_back" in err
    monkeypatch.delenv("HARNESS_DATA")
    assert load().digest == first.digest
    assert capsys.readouterr().err.startswith("harness: going on with the omniglot packed earlier")


def test_pixels_zeroed_with_size_and_time_kept_are_not_taken(make_zips, capsys):
    make_zips()
    first = load()
    images, path = first.images.copy(), cache_file("omniglot", 28, "nearest")
    before = path.stat()
    with path.open("r+b") as f:
        f.seek(-500_000, os.SEEK_END)
        f.write(bytes(400_000))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(HarnessError, match="the packed omniglot no longer fits its digest"):
        first.check()  # as a run does that had opened it before
    second = load()
    assert "its digest does not match its content" in capsys.readouterr().err
    assert second.digest == first.digest
    np.testing.assert_array_equal(second.images, images)


def test_a_pack_under_another_name_is_refused(tmp_path, capsys):
    save_store(make_glyphs(16), tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    assert read_store(tmp_path / "b") is None
    assert "b is broken (it was packed as a)" in capsys.readouterr().err


def test_a_pipe_in_the_cache_is_not_opened(tmp_path, capsys):
    os.mkfifo(tmp_path / "a")
    assert packed_from(tmp_path / "a") == ", no plain file"
    assert read_store(tmp_path / "a") is None
    assert "a is broken (not a plain file)" in capsys.readouterr().err
    os.mkfifo(tmp_path / "a.checked")
    save_store(make_glyphs(16), tmp_path / "a")
    assert read_store(tmp_path / "a") is not None


def test_packed_from_names_what_is_in_the_cache(make_zips, tmp_path):
    folder = make_zips()
    load()
    assert packed_from(cache_file("omniglot", 28, "nearest")).startswith(f" from {folder}/images_b")
    (tmp_path / "x").write_bytes(b"x" * 100)
    assert packed_from(tmp_path / "x") == ", which cannot be read"


@pytest.mark.parametrize("dataset", ["mini-imagenet", "cifar-fs"])
def test_one_image_of_a_tree_that_changes_is_noticed(tmp_path, monkeypatch, capsys, dataset):
    use_few(monkeypatch, tmp_path, dataset)
    (mini_tree if dataset == "mini-imagenet" else cifar_tree)(tmp_path / "data")
    size = (84, "lanczos") if dataset == "mini-imagenet" else (32, "none")
    first = load_color(dataset, *size)
    again = load_color(dataset, *size)
    assert (again.digest, again.names_digest) == (first.digest, first.names_digest)
    assert bool(first.names_digest) == (dataset == "mini-imagenet")
    path = next(p for p in (tmp_path / "data").rglob("*") if p.suffix in (".jpg", ".png"))
    path.write_bytes(picture(pixels(9, 9, size[0])))
    assert load_color(dataset, *size).digest != first.digest
    assert "changed since" in capsys.readouterr().err


def test_an_archive_is_not_read_where_it_is_packed(tmp_path, monkeypatch):
    use_few(monkeypatch, tmp_path, "cifar-fs")
    cifar_archive(tmp_path / "data", lambda content: None)
    first = load_color("cifar-fs", 32, "none")
    monkeypatch.setattr("harness.data.cifar100.read_array_pickle", None)
    assert load_color("cifar-fs", 32, "none").digest == first.digest


def test_other_data_are_used_with_a_warning(make_zips, capsys, monkeypatch):
    folder = make_zips()
    load_store.cache_clear()
    store = load_store("omniglot", 28, "nearest")
    err = capsys.readouterr().err
    assert err.startswith("harness: warning: omniglot with other pixels than the known copy (sha")
    assert f"in {folder}/images_background.zip and" in err
    assert store.data_note in err
    monkeypatch.setitem(KNOWN, "omniglot", Known(store.source_digest))
    load_store.cache_clear()
    assert load_store("omniglot", 28, "nearest").data_note == ""
    assert capsys.readouterr().err == ""
    load_store.cache_clear()
