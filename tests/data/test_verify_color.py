from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from harness.cli import main as cli
from harness.data.color_store import load_color
from harness.data.datasets import load_store
from harness.data.duplicates import describe, equal_images, kinds, shared
from harness.data.known import KNOWN, Known
from harness.data.splits import dataset_split
from harness.data.store import ChannelStatistics
from harness.data.textures import make_textures
from harness.data.verify_color import check_color, color_facts
from harness.errors import HarnessError
from tests.color_trees import cifar_tree, few_classes, mini_tree, picture, pixels, use_few

pytest.importorskip("PIL")


@pytest.fixture
def data(tmp_path, monkeypatch):
    use_few(monkeypatch, tmp_path, "cifar-fs", "mini-imagenet")
    load_store.cache_clear()
    yield tmp_path / "data"
    load_store.cache_clear()


def test_facts():
    text = "\n".join(color_facts(make_textures(16)))
    assert "100 classes, 40 images each, 16 x 16 pixels, 3 channels" in text
    assert "training images, by channel: mean 0." in text
    assert "train 64, val 16, test 20 classes" in text
    assert "0 images occur more than once" in text


def test_duplicates_within_and_across_splits():
    store = make_textures(16)
    split = dataset_split(store)
    train, val, test = split.train[0], split.val[0], split.test[0]
    images = store.images.copy()
    images[test, 3] = images[test, 9] = images[train, 7]  # leaks, twice
    images[val, 0] = images[split.train[1], 0]
    images[test, 4] = images[test, 5]
    images[split.test[1], 1] = images[split.test[2], 1]
    changed = dataclasses.replace(store, images=images, digest="")
    groups = equal_images(changed)
    assert kinds(groups, split) == {
        "train and test": 1,
        "train and val": 1,
        "one test class": 1,
        "two or more test classes": 1,
    }
    assert shared(groups, split) == 2
    lines = list(color_facts(changed))
    assert "4 images occur more than once (9 places)" in lines
    assert "2 test images also in train or val" in lines
    leak = "  texture000 8 = texture080 4 = texture080 10"
    assert leak in lines
    assert leak.strip() in {describe(g, changed) for g in groups}


def test_statistics_and_digests_that_do_not_fit_are_refused():
    store = make_textures(16)
    wrong = dataclasses.replace(store, train_statistics=ChannelStatistics((0.0,) * 3, (1.0,) * 3))
    with pytest.raises(HarnessError, match="records channel statistics"):
        list(color_facts(wrong))
    with pytest.raises(HarnessError, match="no longer fits its digest 000000000000"):
        list(color_facts(dataclasses.replace(store, digest="0" * 64)))


def test_a_lossless_set_has_to_be_the_known_one(data, monkeypatch, capsys):
    cifar_tree(data)
    assert cli.main(["data", "verify", "cifar-fs"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "found other pixels than those of the known copy" in line
    store = load_color("cifar-fs", 32, "none")
    monkeypatch.setitem(KNOWN, "cifar-fs", Known(store.source_digest))
    assert cli.main(["data", "verify", "cifar-fs"]) == 0
    out = capsys.readouterr().out
    assert f"cifar100: the known images, sha256 {store.source_digest}" in out
    assert "train 3, val 1, test 2 classes" in out


def test_a_pack_without_its_files_is_not_verified(data, capsys):
    cifar_tree(data)
    load_color("cifar-fs", 32, "none")
    (data / "cifar100").rename(data / "elsewhere")
    assert cli.main(["data", "verify", "cifar-fs"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    [line] = said.err.splitlines()
    assert line.startswith("harness: found no CIFAR-100 images in")


def test_jpegs_of_other_hands_are_told_apart(data, capsys):
    mini_tree(data)
    assert cli.main(["data", "verify", "mini-imagenet"]) == 0
    out = capsys.readouterr().out
    assert "mini-imagenet: not the copy known here" in out
    assert "NOT those of Ravi and Larochelle's lists" in out


def test_a_packed_store_of_other_images_is_found(data):
    mini_tree(data)
    store = load_color("mini-imagenet", 84, "lanczos")
    name = few_classes("mini-imagenet")[0].name
    path = sorted((data / "mini-imagenet" / "a" / name).iterdir())[0]
    path.write_bytes(picture(pixels(9, 9, 84)))
    with pytest.raises(HarnessError, match="the packed mini-imagenet holds other images than"):
        next(check_color(store, "lanczos"))  # before a line is said of files that are not used


def test_data_list_names_all(data, capsys):
    mini_tree(data)
    assert cli.main(["data", "list"]) == 0
    out = capsys.readouterr().out
    assert f"found {data / 'mini-imagenet'}" in out
    assert "found no CIFAR-100 images" in out
    assert np.isin(["cifar-fs:", "fc100:", "textures:"], out.split()).all()
