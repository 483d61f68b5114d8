"""Section: packed images, and the files that they were packed from."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from safetensors import safe_open

from harness.data import fetch, omniglot
from harness.data.cache_file import cache_file, read_store, save_store
from harness.data.datasets import load_store
from harness.run.training import Phase
from tests.color_trees import cifar_tree, mini_tree, use_few
from tests.failures.case import Printed, Section
from tests.failures.false_data import empty_zips, omniglot_store
from tests.failures.stage import Stage

SECTION = Section("Packed images")
case = SECTION.case
RUN = "harness run protonet/omniglot-5way-1shot --variant euclidean --budget smoke"
STALE, VERIFY = "tests/data/test_stale_packs.py", "tests/data/test_verify_color.py"
MADE_ANEW = "the run goes on with images packed anew"


def packed(stage: Stage, ink: int = 0) -> Path:
    """Run on Omniglot, whose zips and drawings are blank, and return its pack."""
    empty_zips(stage)
    blank = omniglot_store(28)
    store = dataclasses.replace(blank, images=blank.images + np.uint8(ink), digest="")
    stage.patch.setattr(omniglot, "build_omniglot", lambda *_: store)
    stage.say(RUN, status=0)
    return cache_file("omniglot", 28, "nearest")


def damage(pack: Path, keep_time: bool = True) -> None:
    """Change a byte of the last image; its size and time stay."""
    before = pack.stat()
    with safe_open(pack, framework="np") as f:
        classes = f.get_slice("part").get_shape()[0]
    with pack.open("r+b") as f:
        f.seek(-classes - 1, os.SEEK_END)
        f.write(b"\x07")
    os.utime(pack, ns=(before.st_atime_ns, before.st_mtime_ns))


def anew(stage: Stage, line: str = f"{RUN} --seeds 1", status: int = 0) -> Printed:
    """Run a line as a process would that knows nothing about the ones before."""
    load_store.cache_clear()
    return stage.say(line, status=status)


@case(
    "other pixels than the known ones",
    kept="the run goes on; its record says so and is `not comparable` in tables",
    test=f"{STALE}::test_other_data_are_used_with_a_warning",
)
def other_pixels(stage: Stage) -> Printed:
    empty_zips(stage)
    stage.patch.setattr(omniglot, "build_omniglot", lambda *_: omniglot_store(28))
    said = stage.say(RUN, status=0)
    table = stage.say("harness compare protonet/omniglot-5way-1shot", status=0)
    assert "not comparable" in table.out
    return [said.only("warning"), "and in tables", table.part("omniglot with other .*known copy")]


@case(
    "other pixels than the known ones, `harness data verify`",
    kept="the files, as they were",
    test=f"{VERIFY}::test_a_lossless_set_has_to_be_the_known_one",
)
def foreign_files(stage: Stage) -> Printed:
    use_few(stage.patch, stage.folder, "cifar-fs")
    cifar_tree(stage.folder / "data")
    return stage.say("harness data verify cifar-fs")


@case(
    "the files changed since they were packed",
    kept=MADE_ANEW,
    test=f"{STALE}::test_other_zips_are_packed_anew",
)
def changed(stage: Stage) -> Printed:
    packed(stage)
    os.utime(stage.one("images_evaluation.zip"), ns=(1, 1))
    return anew(stage).only("anew")


@case(
    "the files are gone",
    kept="the run goes on with the images packed earlier",
    test=f"{STALE}::test_a_pack_outlives_its_files_and_says_so",
)
def gone(stage: Stage) -> Printed:
    packed(stage)
    stage.one("images_evaluation.zip").unlink()
    stage.one("images_background.zip").unlink()
    return anew(stage).only("going on")


@case(
    "the same, `harness data verify`: there is nothing to hold the pack to",
    kept="the pack, as it was",
    test=f"{VERIFY}::test_a_pack_without_its_files_is_not_verified",
)
def gone_and_verified(stage: Stage) -> Printed:
    use_few(stage.patch, stage.folder, "mini-imagenet")
    mini_tree(stage.folder / "data")
    stage.say("harness data verify mini-imagenet", status=0)
    (stage.folder / "data" / "mini-imagenet").rename(stage.folder / "elsewhere")
    said = anew(stage, "harness data verify mini-imagenet", status=2)
    assert stage.one("mini-imagenet*.safetensors")
    return said


@case(
    "the pack is damaged, its size and time as before",
    kept=f"the broken one, set aside; {MADE_ANEW}",
    test=f"{STALE}::test_pixels_zeroed_with_size_and_time_kept_are_not_taken",
)
def damaged(stage: Stage) -> Printed:
    pack = packed(stage)
    damage(pack)
    said = anew(stage)
    assert pack.with_name(f"{pack.name}.broken").exists()
    return said.only("broken")


@case(
    "the pack is damaged during a run",
    kept="the checkpoint; no record is written",
    test="tests/run/test_data_of_runs.py"
    "::test_pixels_are_looked_at_before_training_and_before_the_record",
)
def damaged_during_a_run(stage: Stage) -> Printed:
    pack, save = packed(stage), Phase.save

    def damaging(phase: Phase) -> None:
        save(phase)
        damage(pack)

    stage.patch.setattr(Phase, "save", damaging)
    said = anew(stage, status=2)
    assert len(list(stage.folder.rglob("record.json"))) == 1
    return said.only("digest")


@case(
    "the pack holds other images than the files that it names (`harness data verify`)",
    kept="the pack, as it was",
    test=f"{VERIFY}::test_a_packed_store_of_other_images_is_found",
)
def packed_otherwise(stage: Stage) -> Printed:
    use_few(stage.patch, stage.folder, "mini-imagenet")
    mini_tree(stage.folder / "data")
    stage.say("harness data verify mini-imagenet", status=0)
    pack = stage.one("mini-imagenet*.safetensors")
    store = read_store(pack)
    assert store is not None
    other = dataclasses.replace(store, images=255 - store.images, digest="")
    save_store(other, pack)
    return anew(stage, "harness data verify mini-imagenet", status=2)


@case(
    "a download has the wrong MD5 sum",
    pretended="a made-up torchvision",
    kept="what there was; nothing of the download",
    test="tests/data/test_fetch.py::test_a_failed_download_is_one_sentence_and_leaves_nothing",
)
def wrong_sum(stage: Stage) -> Printed:
    def corrupted(*_: object, **__: object) -> None:
        raise RuntimeError("File not found or corrupted.")

    torchvision = SimpleNamespace(Omniglot=corrupted)
    stage.patch.setattr(fetch, "import_torchvision", lambda _: torchvision)
    said = stage.say("harness data fetch omniglot")
    assert not stage.files()
    return said


@case(
    "`harness evaluate` on other images",
    kept="the record, as it was",
    test="tests/cli/test_evaluate.py::test_other_images_than_those_of_the_test_are_told",
)
def evaluated_on_others(stage: Stage) -> Printed:
    packed(stage)
    weights = stage.one("weights.safetensors")
    blank = omniglot_store(28)
    other = dataclasses.replace(blank, images=blank.images + np.uint8(1), digest="")
    stage.patch.setattr(omniglot, "build_omniglot", lambda *_: other)
    os.utime(stage.one("images_evaluation.zip"), ns=(1, 1))
    said = anew(stage, f"harness evaluate protonet/omniglot-5way-1shot --weights {weights}", 1)
    return ["the measured numbers beside the recorded ones, and then", said.only("NOT as")]
