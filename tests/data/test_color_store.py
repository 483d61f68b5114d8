from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from harness.data import color_store
from harness.data.cache_file import cache_file, read_store, save_store
from harness.data.color_source import ImageFiles
from harness.data.color_store import build_color, load_color
from harness.data.decode_color import decode_color, fit
from harness.data.store import train_statistics
from harness.data.textures import make_textures
from harness.errors import HarnessError
from tests.color_trees import cifar_tree, few_classes, picture, pixels, use_few

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def data(tmp_path, monkeypatch):
    use_few(monkeypatch, tmp_path, "cifar-fs")
    cifar_tree(tmp_path / "data")
    return tmp_path / "data"


def test_built_once_then_mapped(data, monkeypatch):
    store = load_color("cifar-fs", 32, "none")
    monkeypatch.delenv("HARNESS_DATA")
    monkeypatch.setattr(color_store, "find_cifar100", None)
    again = load_color("cifar-fs", 32, "none")
    assert (again.digest, again.source_digest) == (store.digest, store.source_digest)
    assert again.train_statistics == store.train_statistics
    assert again.class_names == tuple(c.name for c in few_classes("cifar-fs"))
    assert not again.synthetic
    np.testing.assert_array_equal(again.images, store.images)
    np.testing.assert_array_equal(again.part, store.part)


def test_statistics_are_those_of_the_training_images(data):
    store = load_color("cifar-fs", 32, "none")
    train = [i for i, c in enumerate(few_classes("cifar-fs")) if c.part == "train"]
    assert len(train) == 3
    x = store.images[train].transpose(2, 0, 1, 3, 4).reshape(3, -1) / 255
    assert store.train_statistics is not None
    np.testing.assert_allclose(store.train_statistics.mean, x.mean(1), rtol=1e-12)
    np.testing.assert_allclose(store.train_statistics.sd, x.std(1), rtol=1e-10)
    shifted = store.images.copy()
    shifted[store.part != 0] += 1
    assert train_statistics(shifted, store.part) == store.train_statistics


def test_classes_are_decoded_side_by_side(data, monkeypatch):
    """Two threads that wait for each other would never end one after the other."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    meet = threading.Barrier(2, timeout=20)

    class Source(ImageFiles):
        def images(self, name):
            meet.wait()
            yield from super().images(name)

    source = color_store.COLOR_SETS["cifar-fs"].source()
    built = build_color("cifar-fs", Source(source.folder, source.files), 32, "none")
    assert built.digest == load_color("cifar-fs", 32, "none").digest


def test_progress_is_told(data, monkeypatch, capsys):
    monkeypatch.setattr(color_store.Progress, "update", lambda self, done: said.append(done))
    said: list[int] = []
    load_color("cifar-fs", 32, "none")
    assert said == [6 * (i + 1) for i in range(6)]


def test_a_large_file_opens_at_once_and_its_digest_is_taken_once(tmp_path, monkeypatch, capsys):
    path = tmp_path / "a.safetensors"
    save_store(make_textures(84), path)  # 85 MB
    first = read_store(path)
    assert first is not None
    start = time.perf_counter()
    second = read_store(path)
    assert time.perf_counter() - start < 0.05
    assert second is not None
    assert second.digest == first.digest
    with path.open("r+b") as f:  # one byte, same length, later
        f.seek(-200, 2)
        f.write(b"\xff\x00\xff")
    assert read_store(path) is None
    assert "digest does not match" in capsys.readouterr().err


def test_cache_is_by_dataset_size_and_filter(monkeypatch, tmp_path):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    files = {cache_file(d, s, f) for d in ("a", "b") for s in (32, 84) for f in ("box", "none")}
    assert len(files) == 8


def test_decoding_gives_rgb_and_names_what_is_broken():
    array = pixels(0, 0, 40)
    np.testing.assert_array_equal(np.asarray(decode_color(picture(array), "x")), array)
    assert decode_color(picture(array[..., 0]), "x").mode == "RGB"
    for content in (b"", b"\xff\xd8\xff", picture(array)[:60], picture(array, "JPEG")[:300]):
        with pytest.raises(HarnessError, match=r"^x is not a readable image"):
            decode_color(content, "x")
    with pytest.raises(HarnessError, match="neither JPEG nor PNG"):
        decode_color(picture(array, "BMP"), "x")


def test_resizing_is_pillows_and_the_right_size_is_left_alone():
    image = Image.fromarray(pixels(0, 1, 84))
    for name in ("none", "box", "lanczos"):
        np.testing.assert_array_equal(
            fit(image, 84, name, "x"), pixels(0, 1, 84).transpose(2, 0, 1)
        )
    wide = Image.fromarray(np.repeat(pixels(0, 2, 60), 2, axis=1))
    wanted = np.asarray(wide.resize((30, 30), Image.Resampling.LANCZOS)).transpose(2, 0, 1)
    np.testing.assert_array_equal(fit(wide, 30, "lanczos", "x"), wanted)
    assert (fit(wide, 30, "box", "x") != wanted).any()
