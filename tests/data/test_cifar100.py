from __future__ import annotations

import io
import os
import pickle
import shutil
from collections import Counter

import numpy as np
import pytest

from harness.data.cifar100 import find_cifar100
from harness.data.cifar_pickle import read_array_pickle
from harness.data.color_classes import color_classes
from harness.data.color_store import build_color
from harness.errors import DataNotAtHand, HarnessError
from tests.color_trees import OF_EACH, cifar_archive, cifar_tree, few_classes, pixels, put, use_few

pytest.importorskip("PIL")
FEW = few_classes("cifar-fs")


@pytest.fixture
def data(tmp_path, monkeypatch):
    use_few(monkeypatch, tmp_path, "cifar-fs")
    return tmp_path / "data"


def find():
    return find_cifar100(FEW, OF_EACH)


def test_class_lists():
    for name, counts in (("cifar-fs", (64, 16, 20)), ("fc100", (60, 20, 20))):
        parts = Counter(c.part for c in color_classes(name))
        assert (parts["train"], parts["val"], parts["test"]) == counts
    names = [{c.name for c in color_classes(name)} for name in ("cifar-fs", "fc100")]
    assert names[0] == names[1]
    assert len(names[0]) == 100


def test_tree_and_archive_give_the_same_store(data):
    cifar_tree(data)
    tree = build_color("cifar-fs", find(), 32, "none")
    for i in range(len(FEW)):
        for k in range(OF_EACH):
            np.testing.assert_array_equal(tree.images[i, k].transpose(1, 2, 0), pixels(i, k, 32))
    shutil.rmtree(data / "cifar100")
    archive = cifar_archive(data, lambda content: None)
    assert find().where == str(archive)
    packed = build_color("cifar-fs", find(), 32, "none")
    assert (packed.digest, packed.source_digest) == (tree.digest, tree.source_digest)
    (data / "cifar100").mkdir()
    archive.rename(data / "cifar100" / "cifar-100-python")
    assert find().where == str(data / "cifar100" / "cifar-100-python")


def test_nothing_there(data):
    with pytest.raises(DataNotAtHand, match="run `harness data fetch cifar-fs`"):
        find()


def test_missing_unknown_and_short_classes_of_a_tree(data):
    cifar_tree(data)
    test = data / "cifar100" / "test"
    (test / FEW[2].name).rename(test / "dragon")
    with pytest.raises(HarnessError, match=r"test: found class dragon, which CIFAR-100 does not"):
        find()
    shutil.rmtree(test / "dragon")
    with pytest.raises(HarnessError, match=rf"class {FEW[2].name} is missing \(found 5 of the 6"):
        find()
    (test / FEW[2].name).mkdir()
    with pytest.raises(HarnessError, match=rf"class {FEW[2].name} has 0 images, wanted 1"):
        find()


def test_wrong_size(data):
    cifar_tree(data)
    with pytest.raises(HarnessError, match=r"is 32 x 32 pixels, wanted 28 x 28, as resize filter"):
        build_color("cifar-fs", find(), 28, "none")
    with pytest.raises(HarnessError, match=r"is 32 x 32 pixels, wanted at least 40 x 40"):
        build_color("cifar-fs", find(), 40, "box")
    assert build_color("cifar-fs", find(), 16, "box").images.shape == (6, OF_EACH, 3, 16, 16)


def short(content):
    content["test"] = {k: v[1:] for k, v in content["test"].items()}


def unfit(content):
    content["train"][b"fine_labels"].pop()


def beyond(content):
    content["train"][b"fine_labels"][0] = 77


def ragged(content):
    content["train"][b"fine_labels"][3] = [1, 2]


def not_a_number(content):
    content["train"][b"fine_labels"][3] = True


def enormous(content):
    content["train"][b"fine_labels"][3] = 10**5000


def long_name(content):
    content["train"][b"filenames"][3] = b"x" * 10**6


def without(content):
    del content["test"][b"data"]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (short, r"test: class \w+ is missing"),
        (unfit, r"train: data, fine_labels and filenames do not fit together"),
        (ragged, r"train: found label of another kind, but meta names 6 classes"),
        (not_a_number, r"train: found label of another kind"),
        (enormous, r"train: found label of another kind"),
        (long_name, r"train: found names that are no short texts"),
        (beyond, r"train: found label 77, but meta names 6 classes"),
        (without, r"test has no data of the right kind \(but filenames, fine_labels\), wanted a f"),
    ],
)
def test_a_wrong_archive_is_one_sentence(data, edit, message):
    cifar_archive(data, edit)
    with pytest.raises(HarnessError, match=message):
        find()


@pytest.mark.parametrize("keep", [0, 20, 5000])
def test_a_cut_off_archive_is_one_sentence(data, keep):
    path = cifar_archive(data, lambda content: None) / "train"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(HarnessError, match="train is not a readable pickle of CIFAR's archive"):
        find()


class Evil:
    def __reduce__(self):
        return os.mkdir, ("evil",)


def test_nothing_that_a_pickle_names_is_called(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "train", pickle.dumps({b"data": Evil()}))
    with pytest.raises(HarnessError, match=r"it names \w+.mkdir, which is refused"):
        read_array_pickle(tmp_path / "train")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    "array",
    [np.arange(3.0), np.array([b"x", 1], object), np.asfortranarray(np.ones((2, 3), np.uint8))],
)
def test_arrays_are_plain_bytes_or_refused(tmp_path, array):
    put(tmp_path / "train", pickle.dumps({b"data": array}, protocol=3))
    with pytest.raises(HarnessError, match="an array that is not plain uint8"):
        read_array_pickle(tmp_path / "train")


def test_a_false_shape_is_refused(tmp_path):
    content = pickle.dumps({b"data": np.zeros((7, 5), np.uint8)}, protocol=3)
    grown = content.replace(b"K\x07K\x05\x86", b"K\xffK\xff\x86")
    assert grown != content
    put(tmp_path / "train", grown)
    with pytest.raises(HarnessError, match=r"an array of shape \(255, 255\) with 35 bytes"):
        read_array_pickle(tmp_path / "train")


def test_a_huge_file_is_not_read(tmp_path):
    with (tmp_path / "train").open("wb") as f:
        f.truncate(300_000_000)  # a hole: takes no disk
    with pytest.raises(HarnessError, match="larger than"):
        read_array_pickle(tmp_path / "train")


def test_a_pickle_of_something_else(tmp_path):
    out = io.BytesIO()
    pickle.dump([1, 2], out)
    put(tmp_path / "train", out.getvalue())
    with pytest.raises(HarnessError, match="not a readable pickle"):
        read_array_pickle(tmp_path / "train")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02}r" + (2**28).to_bytes(4, "little") + b".",
        b"(dp268435456\n.",
        b"\x80\x02(" + b"]" * 1_100_000 + b"l.",
    ],
    ids=["memory", "memory in letters", "lists"],
)
def test_a_few_bytes_do_not_ask_for_gigabytes(tmp_path, content):
    put(tmp_path / "train", content)
    with pytest.raises(HarnessError, match="more than 1,000,000 steps or places in its memory"):
        read_array_pickle(tmp_path / "train")


def test_a_length_beyond_the_file_is_not_allocated(tmp_path):
    put(tmp_path / "train", b"\x80\x04\x8e" + (2**60).to_bytes(8, "little") + b"abc.")
    with pytest.raises(HarnessError, match="not a readable pickle"):
        read_array_pickle(tmp_path / "train")


def test_bytes_in_an_odd_coding_are_refused(tmp_path):
    put(tmp_path / "train", b"c_codecs\nencode\n(Vx\nVrot13\ntR.")
    with pytest.raises(HarnessError, match="bytes in an odd coding"):
        read_array_pickle(tmp_path / "train")
