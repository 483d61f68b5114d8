"""Section: image data that are not there or not right."""

from __future__ import annotations

import dataclasses
import os
import pickle
import zipfile

from harness.data import omniglot as omniglot_module
from harness.data.color_classes import color_classes
from harness.data.color_store import COLOR_SETS
from tests.failures.case import Printed, Section, nothing_written
from tests.failures.false_data import (
    WNIDS,
    Files,
    know_few,
    lake_runs,
    mini_imagenet,
    omniglot,
    omniglot_store,
    photo,
)
from tests.failures.stage import Stage

SECTION = Section(
    "Data",
    kept="Nothing is packed from a broken copy, nothing is extracted, and nothing is downloaded "
    "unasked.",
    holds=nothing_written,
)
case = SECTION.case
SOURCES, MINI = "tests/data/test_omniglot_source.py", "tests/data/test_mini_imagenet.py"
IMAGES = "harness run maml/omniglot-5way-1shot --variant first-order --budget smoke"
DECODER = r"(?<=image \()[^`]*?(?=\); take)|(?<=PNG \()[^`]*?(?=\); take)"


@case("corrupt zip", test=f"{SOURCES}::test_cut_off_zip", foreign=r"(?<=zip \()[^)]*")
def corrupt_zip(stage: Stage) -> Printed:
    know_few(stage)
    path = omniglot(stage)
    path.write_bytes(path.read_bytes()[:1000])
    return stage.say(IMAGES)


@case(
    "corrupt PNG",
    test="tests/data/test_omniglot.py::test_corrupt_png_names_the_drawing",
    foreign=DECODER,
)
def corrupt_png(stage: Stage) -> Printed:
    def cut(files: Files) -> None:
        name = next(n for n in files if "/Angelic/character01/" in n)
        files[name] = files[name][:60]

    know_few(stage)
    omniglot(stage, cut)
    return stage.say(IMAGES)


@case("missing class", test=f"{SOURCES}::test_missing_class")
def missing_class(stage: Stage) -> Printed:
    def drop(files: Files) -> None:
        for name in [n for n in files if "/Tibetan/character05/" in n]:
            del files[name]

    omniglot(stage, drop)
    return stage.say(IMAGES)


@case("zip member that escapes its folder", test=f"{SOURCES}::test_members_that_point_outside")
def escaping_member(stage: Stage) -> Printed:
    know_few(stage)
    with zipfile.ZipFile(omniglot(stage), "a") as archive:
        archive.writestr("../../evil.png", b"x")
    return stage.say(IMAGES)


@case(
    "data not at hand",
    test="tests/cli/test_run.py::test_missing_images_are_forgiven_only_when_asked",
)
def not_at_hand(stage: Stage) -> Printed:
    said = stage.say(IMAGES)
    return [said, "With `--if-data-at-hand`:", stage.say(f"{IMAGES} --if-data-at-hand", status=0)]


@case("mini-ImageNet lacks a class", test=f"{MINI}::test_missing_class")
def mini_lacks_a_class(stage: Stage) -> Printed:
    (mini_imagenet(stage, of_each=1) / WNIDS[1]).unlink()
    return stage.say("harness data verify mini-imagenet")


@case("a class has too few images", test=f"{MINI}::test_wrong_count")
def mini_too_few(stage: Stage) -> Printed:
    mini_imagenet(stage, of_own=100)
    return stage.say("harness data verify mini-imagenet")


@case('the wrong "mini-ImageNet"', test=f"{MINI}::test_another_mini_imagenet_is_refused")
def mini_another(stage: Stage) -> Printed:
    folder = mini_imagenet(stage, of_each=1)
    (folder / WNIDS[1]).rename(folder / "n02123045")
    return stage.say("harness data verify mini-imagenet")


@case("its training classes only", test=f"{MINI}::test_the_training_classes_alone_are_named")
def mini_training_only(stage: Stage) -> Printed:
    folder = mini_imagenet(stage, of_each=1)
    for c in color_classes("mini-imagenet"):
        if c.part != "train":
            (folder / c.name).unlink()
    return stage.say("harness data verify mini-imagenet")


@case("csv files of another split", test=f"{MINI}::test_csv_files_of_another_split_are_refused")
def mini_another_split(stage: Stage) -> Printed:
    name = next(c.name for c in color_classes("mini-imagenet") if c.part == "test")
    file = f"{name}00000001.jpg"
    stage.put(f"data/mini-imagenet/images/{file}", photo())
    for part in ("train", "val", "test"):
        rows = f"filename,label\n{file},{name}\n" if part == "train" else "filename,label\n"
        stage.put(f"data/mini-imagenet/{part}.csv", rows)
    stage.patch.setenv("HARNESS_DATA", str(stage.folder / "data"))
    return stage.say("harness data verify mini-imagenet")


@case("corrupt JPEG", test=f"{MINI}::test_corrupt_image_is_named", foreign=DECODER)
def corrupt_jpeg(stage: Stage) -> Printed:
    few = dataclasses.replace(COLOR_SETS["mini-imagenet"], of_each=1)
    stage.patch.setitem(COLOR_SETS, "mini-imagenet", few)
    folder = mini_imagenet(stage, of_each=1, of_own=1)
    (folder / WNIDS[0] / f"{WNIDS[0]}00000001.jpg").write_bytes(photo()[:-40])
    return stage.say("harness data verify mini-imagenet")


class MakesAFolder:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("evil",)


@case(
    "a CIFAR archive that would run something",
    test="tests/data/test_cifar100.py::test_nothing_that_a_pickle_names_is_called",
    foreign=r"(?<=names )\w+(?=\.mkdir)",
)
def evil_cifar(stage: Stage) -> Printed:
    for name in ("train", "test", "meta"):
        stage.put(f"data/cifar-100-python/{name}", pickle.dumps({b"x": MakesAFolder()}))
    stage.patch.setenv("HARNESS_DATA", str(stage.folder / "data"))
    return stage.say("harness data verify cifar-fs")


@case(
    "labels of Lake's runs are cut off",
    test="tests/data/test_lake_runs.py::test_a_wrong_archive_is_one_sentence",
)
def cut_off_labels(stage: Stage) -> Printed:
    def cut(files: Files) -> None:
        files["run05/class_labels.txt"] = files["run05/class_labels.txt"][:500]

    lake_runs(stage, cut)
    stage.patch.setattr(omniglot_module, "load_omniglot", lambda *_: omniglot_store(105))
    said = stage.say("harness run siamese/one-shot --variant nearest-pixels --budget smoke")
    return said.only("class_labels")


@case(
    "one of several folders is gone", test="tests/data/test_paths.py::test_each_has_to_be_a_folder"
)
def folder_gone(stage: Stage) -> Printed:
    names = [str(stage.folder), str(stage.folder / "nowhere")]
    stage.patch.setenv("HARNESS_DATA", os.pathsep.join(names))
    return stage.say(IMAGES)
