"""Layouts that people have: read where their meaning is plain, else a message says what is
there."""

from __future__ import annotations

import os
import pickle
import shutil
import zipfile

import pytest

from harness.data.color_store import COLOR_SETS
from harness.data.omniglot_source import PARTS, find_omniglot, read_drawings
from harness.errors import DataNotAtHand, HarnessError
from tests.color_trees import cifar_archive, cifar_tree, few_classes, mini_files, mini_tree, put
from tests.color_trees import use_few as use
from tests.data.conftest import members

pytest.importorskip("PIL")
MINI = few_classes("mini-imagenet")


@pytest.fixture
def data(tmp_path, monkeypatch):
    use(monkeypatch, tmp_path, "mini-imagenet", "cifar-fs")
    return tmp_path / "data"


def mini():
    return COLOR_SETS["mini-imagenet"].source()


def cifar():
    return COLOR_SETS["cifar-fs"].source()


@pytest.mark.parametrize("name", [".ipynb_checkpoints", "__MACOSX", "@eaDir"])
def test_hidden_folders_are_no_classes(data, name):
    mini_tree(data)
    cifar_tree(data)
    put(data / "mini-imagenet" / name / MINI[0].name / "x.jpg", b"x")
    put(data / "mini-imagenet" / "a" / MINI[0].name / name / "x-checkpoint.jpg", b"x")
    put(data / "cifar100" / "train" / name / "x.png", b"x")
    for file in (".DS_Store", "Thumbs.db", "._x.jpg"):
        put(data / "mini-imagenet" / "a" / MINI[0].name / file, b"x")
        put(data / "cifar100" / "train" / file, b"x")
    assert all(len(files) == 6 for files in mini().files.values())
    assert cifar().where == str(data / "cifar100")


@pytest.mark.parametrize("name", ["miniImageNet", "mini_imagenet", "miniimagenet"])
def test_mini_imagenet_by_another_spelling(data, name):
    mini_tree(data)
    (data / "mini-imagenet").rename(data / name)
    assert mini().folder == data / name


def test_mini_imagenet_one_folder_too_deep(data):
    mini_tree(data / "mini-imagenet")
    assert len(mini().files) == 6


def test_mini_imagenet_one_folder_too_high(data, monkeypatch):
    mini_tree(data)
    monkeypatch.setenv("HARNESS_DATA", str(data / "mini-imagenet"))
    assert len(mini().files) == 6
    (data / "mini-imagenet").rename(data / "x")
    for folder in (data / "x", data / "x" / "a"):
        monkeypatch.setenv("HARNESS_DATA", str(folder))
        with pytest.raises(DataNotAtHand, match=r"found classes of .* in \S+/x/a, wanted them in"):
            mini()


def test_pickle_caches_are_named_and_not_opened(data):
    put(data / "mini-imagenet" / "mini-imagenet-cache-train.pkl", b"cos\nsystem\n(S'x'\ntR.")
    with pytest.raises(
        HarnessError,
        match=r"found pickle caches \(mini-imagenet-cache-train.pkl\), which are not opened, wa",
    ):
        mini()
    (data / "mini-imagenet" / "mini-imagenet-cache-train.pkl").unlink()
    with pytest.raises(HarnessError, match="mini-imagenet: found nothing, wanted image files"):
        mini()
    (data / "mini-imagenet").rmdir()
    put(data / "mini-imagenet.tar.gz", b"x")
    with pytest.raises(DataNotAtHand, match=r"found .*mini-imagenet.tar.gz, wanted what it holds"):
        mini()


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("", "{file},{label}"),
        ("filename,label", "{file},{label}"),
        ("\ufeffimage,class", "{file}, {label}"),
        (",class,image", "7,{label},{file}"),
    ],
)
def test_tables_with_other_columns(data, header, row):
    part = {c.name: c.part for c in MINI}
    lines = {split: [header] if header else [] for split in ("train", "val", "test")}
    for (name, file), content in mini_files().items():
        put(data / "mini-imagenet" / "images" / file, content)
        lines[part[name]].append(row.format(file=file, label=name))
    put(data / "mini-imagenet" / "images" / ".ipynb_checkpoints" / "x.jpg", b"x")
    for split, text in lines.items():
        put(data / "mini-imagenet" / f"{split}.csv", "\n".join(text).encode())
    assert all(len(files) == 6 for files in mini().files.values())
    put(data / "mini-imagenet" / "val.csv", b"x,y\nimage 1,cat\n")
    with pytest.raises(HarnessError, match=r"val.csv cannot be read: its first line is 'x,y'; wa"):
        mini()


@pytest.mark.parametrize("where", ["cifar100/cifar100", "cifar-100-python/cifar-100-python", "."])
def test_cifar_one_folder_too_deep_or_too_high(data, where, monkeypatch):
    made = cifar_archive(data / "x", lambda content: None)
    if "python" not in where:
        shutil.rmtree(made)
        cifar_tree(data / "x")
        made = data / "x" / "cifar100"
    (data / where).parent.mkdir(parents=True, exist_ok=True)
    if where == ".":
        monkeypatch.setenv("HARNESS_DATA", str(made))
    else:
        made.rename(data / where)
    assert cifar().where == str(made if where == "." else data / where)


def test_what_is_there_of_cifar_is_said(data):
    put(data / "notes.txt", b"x")
    with pytest.raises(DataNotAtHand, match=r"no CIFAR-100 images in \S+ \(which holds notes.txt"):
        cifar()
    put(data / "cifar-100-python.tar.gz", b"x")
    with pytest.raises(DataNotAtHand, match=r"cifar-100-python.tar.gz, wanted what it holds: unpa"):
        cifar()
    cifar_archive(data, lambda content: None)
    (data / "cifar-100-python" / "meta").unlink()
    with pytest.raises(HarnessError, match="found train and test only, wanted train, test and met"):
        cifar()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_cifar_saved_again_by_python_three(data, protocol):
    folder = cifar_archive(data, lambda content: None)
    before = cifar()
    for path in folder.iterdir():
        held = pickle.loads(path.read_bytes(), encoding="bytes")
        again = {
            k.decode(): [x.decode() if isinstance(x, bytes) else x for x in v]
            if isinstance(v, list)
            else v
            for k, v in held.items()
        }
        path.write_bytes(pickle.dumps(again, protocol=protocol))
    name = few_classes("cifar-fs")[0].name
    same = zip(before.images(name), cifar().images(name), strict=True)
    assert all(x.tobytes() == y.tobytes() for (_, x), (_, y) in same)


@pytest.mark.parametrize(
    "rename",
    [lambda n: n.replace("/", "\\"), str.lower, str.upper, lambda n: n.split("/", 1)[1]],
    ids=["backslashes", "small letters", "capitals", "no top folder"],
)
def test_omniglot_packed_anew(make_zips, rename):
    folder = make_zips()
    for part in PARTS:
        with zipfile.ZipFile(folder / f"{part}.zip", "w") as z:
            for name, content in members(part).items():
                info = zipfile.ZipInfo()
                info.filename = rename(name)
                z.writestr(info, content)
    drawings = dict(read_drawings(find_omniglot()))
    assert len(drawings) == 85
    assert "Greek/character07" in drawings


@pytest.mark.parametrize("inside", ["", "images_background"])
def test_a_tree_as_a_clone_or_one_folder_too_deep(make_zips, inside):
    zips = make_zips()
    for part in PARTS:
        with zipfile.ZipFile(zips / f"{part}.zip") as z:
            z.extractall(zips / "python" / (part if inside else ""))
        (zips / f"{part}.zip").unlink()
    assert find_omniglot().background == zips / "python" / "images_background"
    assert len(list(read_drawings(find_omniglot()))) == 85


def test_a_whole_tree_beside_a_cut_off_zip_is_read(make_zips, capsys):
    folder = make_zips()
    path = folder / "images_background.zip"
    with zipfile.ZipFile(path) as z:
        z.extractall(folder)
    assert find_omniglot().background == path
    path.write_bytes(path.read_bytes()[:1000])
    assert find_omniglot().background == folder / "images_background"
    assert capsys.readouterr().err.endswith(f"; reading {folder}/images_background beside it.\n")
    assert len(list(read_drawings(find_omniglot()))) == 85


def test_a_zip_of_something_else_says_what_it_holds(make_zips):
    def other(files):
        files.clear()
        files["holiday/1.jpg"] = b"x"

    make_zips(other)
    with pytest.raises(
        HarnessError, match=r"found no drawings, but holiday/1.jpg; wanted images_b"
    ):
        list(read_drawings(find_omniglot()))


def test_a_pipe_among_drawings_is_named(make_zips):
    folder = make_zips()
    for part in PARTS:
        with zipfile.ZipFile(folder / f"{part}.zip") as z:
            z.extractall(folder)
        (folder / f"{part}.zip").unlink()
    drawing = next((folder / "images_background" / "Greek" / "character03").iterdir())
    drawing.unlink()
    os.mkfifo(drawing)
    with pytest.raises(HarnessError, match=rf"{drawing.name} is a pipe, wanted a plain file"):
        list(read_drawings(find_omniglot()))


def test_a_pipe_and_a_loop_among_images_are_named(data):
    mini_tree(data)
    for name, make in ((MINI[0].name, os.mkfifo), (MINI[1].name, lambda p: os.symlink(p, p))):
        path = next((data / "mini-imagenet" / "a" / name).iterdir())
        path.unlink()
        make(path)
        with pytest.raises(
            HarnessError, match=rf"{path.name} (is a pipe|cannot be read \(Too man)"
        ):
            list(mini().images(name))
    (data / "mini-imagenet" / "again").symlink_to(data / "mini-imagenet")
    assert len(mini().files) == 6
