"""Section: files of images that are odd: sizes, kinds, places, pickles."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from harness.data import omniglot_source
from tests.color_trees import cifar_archive, mini_tree, use_few
from tests.failures.case import Printed, Section, nothing_written
from tests.failures.false_data import Files, know_few, omniglot
from tests.failures.stage import Stage

SECTION = Section(
    "Odd files among the data",
    kept="Nothing is packed from them, nothing is waited for, and no pickle is run.",
    holds=nothing_written,
)
case = SECTION.case
LAYOUTS, PICTURE = "tests/data/test_layouts.py", "tests/data/test_picture.py"
CIFAR = "tests/data/test_cifar100.py"
VERIFY = "harness data verify omniglot"


def first_drawing(stage: Stage, content: bytes) -> Printed:
    """Put `content` in the place of a drawing, and return what is printed."""

    def other(files: Files) -> None:
        files[next(n for n in files if "/Angelic/character01/" in n)] = content

    know_few(stage)
    omniglot(stage, other)
    return stage.say(VERIFY)


@case("a drawing of an absurd size", test=f"{PICTURE}::test_absurd_sizes_are_one_sentence")
def absurd_size(stage: Stage) -> Printed:
    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(b"0")), (b"IEND", b""))
    png = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)
    return first_drawing(stage, png)


@case("a drawing of 16 bits", test=f"{PICTURE}::test_a_grey_of_sixteen_bits_does_not_pack_as_white")
def sixteen_bits(stage: Stage) -> Printed:
    out = io.BytesIO()
    Image.fromarray(np.full((105, 105), 30_000, np.uint16)).save(out, "PNG")
    return first_drawing(stage, out.getvalue())


@case(
    "a zip that is cut off, with a tree beside it",
    test=f"{LAYOUTS}::test_a_whole_tree_beside_a_cut_off_zip_is_read",
    foreign=r"(?<=zip \()[^)]*",
)
def cut_off_beside_a_tree(stage: Stage) -> Printed:
    know_few(stage)
    path = omniglot(stage)
    with zipfile.ZipFile(path) as z:
        z.extractall(path.parent, [n for n in z.namelist() if "/Angelic/" in n])
    path.write_bytes(path.read_bytes()[:1000])
    said = stage.say("harness data list", status=0)
    assert "omniglot/images_evaluation\n" in said.out
    return said.only("beside")


@case("a pipe among drawings", test=f"{LAYOUTS}::test_a_pipe_among_drawings_is_named")
def pipe(stage: Stage) -> Printed:
    know_few(stage)
    folder = stage.folder / "data" / "omniglot"
    few = omniglot_source.omniglot_classes()
    for c in few:
        part = "images_background" if c.background else "images_evaluation"
        for d in range(1, 21):
            path = folder / part / c.name / f"0001_{d:02d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            (os.mkfifo if (c, d) == (few[0], 1) else Path.touch)(path)
    stage.patch.setenv("HARNESS_DATA", str(stage.folder / "data"))
    return stage.say(VERIFY)


@case(
    "mini-ImageNet as pickle caches", test=f"{LAYOUTS}::test_pickle_caches_are_named_and_not_opened"
)
def pickle_caches(stage: Stage) -> Printed:
    stage.put("data/mini-imagenet/mini-imagenet-cache-train.pkl", b"cos\nsystem\n(S'x'\ntR.")
    stage.patch.setenv("HARNESS_DATA", str(stage.folder / "data"))
    return stage.say("harness data verify mini-imagenet")


@case(
    "a pickle of few bytes that asks for gigabytes",
    test=f"{CIFAR}::test_a_few_bytes_do_not_ask_for_gigabytes",
)
def greedy_pickle(stage: Stage) -> Printed:
    for name in ("train", "test", "meta"):
        stage.put(f"data/cifar-100-python/{name}", b"\x80\x02}r" + (2**28).to_bytes(4, "little"))
    stage.patch.setenv("HARNESS_DATA", str(stage.folder / "data"))
    return stage.say("harness data verify cifar-fs")


@case(
    "labels of another kind in CIFAR's archive",
    test=f"{CIFAR}::test_a_wrong_archive_is_one_sentence",
)
def ragged(stage: Stage) -> Printed:
    def edit(content: dict[str, dict[bytes, Any]]) -> None:
        content["train"][b"fine_labels"][3] = [1, 2]

    use_few(stage.patch, stage.folder, "cifar-fs")
    cifar_archive(stage.folder / "data", edit)
    return stage.say("harness data verify cifar-fs")


@case(
    "one folder too high or too deep for classes",
    test=f"{LAYOUTS}::test_mini_imagenet_one_folder_too_high",
)
def too_high(stage: Stage) -> Printed:
    use_few(stage.patch, stage.folder, "mini-imagenet")
    mini_tree(stage.folder / "data")
    (stage.folder / "data" / "mini-imagenet").rename(stage.folder / "data" / "pictures")
    stage.patch.setenv("HARNESS_DATA", str(stage.folder / "data" / "pictures"))
    return stage.say("harness data verify mini-imagenet")
