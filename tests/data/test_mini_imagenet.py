from __future__ import annotations

import shutil

import numpy as np
import pytest

from harness.data.color_classes import color_classes
from harness.data.color_store import COLOR_SETS
from harness.data.datasets import load_store
from harness.data.known import KNOWN
from harness.data.mini_imagenet import names_digest
from harness.errors import DataNotAtHand, HarnessError
from tests.color_trees import (
    OF_EACH,
    few_classes,
    mini_files,
    mini_tree,
    picture,
    pixels,
    put,
    use_few,
)

pytest.importorskip("PIL")
FEW = few_classes("mini-imagenet")


@pytest.fixture
def mini(tmp_path, monkeypatch):
    use_few(monkeypatch, tmp_path, "mini-imagenet")
    mini_tree(tmp_path / "data")
    return tmp_path / "data" / "mini-imagenet"


def find():
    return COLOR_SETS["mini-imagenet"].source()


def make_flat(folder):
    for sub in ("a", "b"):
        shutil.rmtree(folder / sub)
    rows = {part: ["filename,label"] for part in ("train", "val", "test")}
    part = {c.name: c.part for c in FEW}
    for (name, file), content in mini_files().items():
        put(folder / "images" / file, content)
        rows[part[name]].append(f"{file},{name}")
    for split, lines in rows.items():
        (folder / f"{split}.csv").write_text("\n".join(lines) + "\n")


def test_sub_folders_are_pooled_and_sorted_by_file_name(mini):
    images = find()
    assert set(images.files) == {c.name for c in FEW}
    for name, files in images.files.items():
        assert [p.name for p in files] == [f"{name}{k:08d}.jpg" for k in range(OF_EACH)]
        assert {p.parent.parent.name for p in files} == {"a", "b"}


def test_both_layouts_give_the_same_store(mini, tmp_path, monkeypatch):
    load_store.cache_clear()
    tree = load_store("mini-imagenet", 84, "lanczos")
    assert tree.images.shape == (6, OF_EACH, 3, 84, 84)
    make_flat(mini)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "another"))
    load_store.cache_clear()
    flat = load_store("mini-imagenet", 84, "lanczos")
    load_store.cache_clear()
    assert (flat.digest, flat.source_digest) == (tree.digest, tree.source_digest)
    assert flat.images is not tree.images
    np.testing.assert_array_equal(flat.images, tree.images)


def test_class_folders_need_no_folder_above_them(mini):
    for name in (c.name for c in FEW):
        for sub in ("a", "b"):
            for path in list((mini / sub / name).iterdir()):
                put(mini / name / path.name, path.read_bytes())
                path.unlink()
    assert all(p.parent.parent == mini for p in find().files[FEW[0].name])


def test_missing_class(mini):
    shutil.rmtree(mini / "a" / FEW[1].name)
    shutil.rmtree(mini / "b" / FEW[1].name)
    with pytest.raises(
        HarnessError, match=rf"class {FEW[1].name} is missing \(found 5 of the 6 classes of Ravi"
    ):
        find()


def test_wrong_count(mini):
    next((mini / "a" / FEW[2].name).iterdir()).unlink()
    with pytest.raises(
        HarnessError,
        match=rf"class {FEW[2].name} has 5 images, wanted 6 \(in all 35, wanted 36\)",
    ):
        find()


def test_another_mini_imagenet_is_refused(mini):
    put(mini / "a" / "n12345678" / "n1234567800000001.jpg", picture(pixels(0, 0, 84)))
    shutil.rmtree(mini / "a" / FEW[0].name)
    shutil.rmtree(mini / "b" / FEW[0].name)
    with pytest.raises(
        HarnessError,
        match=r"found class n12345678, which Ravi and Larochelle's mini-ImageNet does not have "
        r"\(5 of its 6 classes are here\)",
    ):
        find()


def test_the_training_classes_alone_are_named(mini):
    for c in FEW:
        if c.part != "train":
            shutil.rmtree(mini / "a" / c.name)
            shutil.rmtree(mini / "b" / c.name)
    with pytest.raises(HarnessError, match=r"found the train classes only \(3 of 6\), wanted"):
        find()


def test_csv_files_of_another_split_are_refused(mini):
    make_flat(mini)
    train, test = mini / "train.csv", mini / "test.csv"
    moved = [line for line in test.read_text().splitlines()[1:] if line.endswith(FEW[-1].name)]
    assert FEW[-1].part == "test"
    train.write_text(train.read_text() + "\n".join(moved) + "\n")
    with pytest.raises(HarnessError, match=r"found class \w+ in train, Ravi .* has it in test"):
        find()


def test_csv_files_that_do_not_fit_the_images(mini):
    make_flat(mini)
    file = next((mini / "images").iterdir())
    file.rename(mini / "kept")
    with pytest.raises(HarnessError, match=rf"csv names {file.name}, which is not in"):
        find()
    (mini / "kept").rename(file)
    (mini / "val.csv").write_text("name,class\nx,y\n")
    with pytest.raises(
        HarnessError,
        match=r"val.csv cannot be read: its first line is 'name,class'; wanted .* file",
    ):
        find()
    (mini / "val.csv").unlink()
    with pytest.raises(HarnessError, match=r"val.csv is not there \(found test.csv, train.csv\)"):
        find()


def test_corrupt_image_is_named(mini):
    path = sorted((mini / "b" / FEW[3].name).iterdir())[0]
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(HarnessError, match=rf"{path.name} is not a readable image \(image file is"):
        load_store("mini-imagenet", 84, "lanczos")
    path.write_bytes(b"GIF89a")
    with pytest.raises(HarnessError, match=r"not a readable image \(neither JPEG nor PNG\)"):
        load_store("mini-imagenet", 84, "lanczos")


def test_nothing_there(mini):
    shutil.rmtree(mini)
    with pytest.raises(DataNotAtHand, match="HARNESS_DATA has to name a folder with"):
        find()


def test_class_list_and_names_digest(mini):
    counts = [
        sum(c.part == p for c in color_classes("mini-imagenet")) for p in ("train", "val", "test")
    ]
    assert counts == [64, 16, 20]
    assert names_digest(find()) != KNOWN["mini-imagenet"].names
