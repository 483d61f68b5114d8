"""Section: what the machine refuses."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from harness.data import omniglot
from tests.failures.case import Printed, Section
from tests.failures.false_data import empty_zips, omniglot_store
from tests.failures.small_runs import SMALL, SMOKE, same_as_unbroken
from tests.failures.stage import Stage
from tests.toy_paper import ToyPaper

SECTION = Section("The machine")
case = SECTION.case
FULL = "a write fails with ENOSPC"


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Let what is written below `folder` fail when it is synced."""
    sync = os.fsync

    def full(descriptor: int) -> None:
        at = os.fstat(descriptor)
        if any(os.path.samestat(at, path.stat()) for path in folder.rglob("*")):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", full)
        yield


@case(
    "the disk is full at a checkpoint",
    pretended=FULL,
    kept="the checkpoint before",
    test="tests/run/test_loop.py::test_a_full_disk_is_one_sentence_and_costs_nothing",
)
def full_at_checkpoint(stage: Stage) -> Printed:
    stage.say(f"{SMALL} --budget 0.5", status=0)
    kept = stage.one("checkpoint.pt").read_bytes()
    with full_disk(stage.folder / "runs"):
        said = stage.say(SMALL)
    assert stage.one("checkpoint.pt").read_bytes() == kept
    assert not list(stage.folder.rglob("*.tmp"))
    stage.say(SMALL, status=0)
    assert same_as_unbroken(stage)
    return said.only("could not write")


@case(
    "the disk is full at the record",
    pretended=FULL,
    kept="the finished training: the next start only tests and writes",
    test="tests/records/test_store.py::test_a_full_disk_is_one_sentence",
)
def full_at_record(stage: Stage) -> Printed:
    with full_disk(stage.folder / "results"):
        said = stage.say(SMALL)
    assert not [p for p in (stage.folder / "results").rglob("*") if p.is_file()]
    stage.say(SMALL, status=0)
    (session,) = json.loads(stage.one("record.json").read_text())["measurement"]["sessions"]
    assert session["iterations"] == 20
    assert same_as_unbroken(stage)
    return said


@case(
    "the disk is full at the Omniglot cache",
    pretended=FULL,
    kept="the run goes on; the images are packed again next time",
    test="tests/data/test_omniglot.py::test_unwritable_cache_does_not_stop",
)
def full_at_cache(stage: Stage) -> Printed:
    empty_zips(stage)
    stage.patch.setattr(omniglot, "build_omniglot", lambda *_: omniglot_store(28))
    with full_disk(stage.folder / "cache"):
        said = stage.say(
            "harness run protonet/omniglot-5way-1shot --budget smoke --variant euclidean", status=0
        )
    assert not [p for p in (stage.folder / "cache").rglob("*") if p.is_file()]
    assert stage.one("record.json")
    return said.only("cannot keep")


@case(
    "the folder of checkpoints cannot be written",
    kept="all as it was",
    test="tests/run/test_loop.py::test_a_folder_that_cannot_be_written_is_one_sentence",
)
def no_folder_for_checkpoints(stage: Stage) -> Printed:
    stage.put("runs/maml")
    said = stage.say(SMOKE)
    assert list(stage.files()) == ["runs/maml"]
    return said


@case(
    "a file where the folder of papers belongs",
    kept="all as it was",
    test="tests/cli/test_new_and_check.py::test_new_below_a_file",
)
def no_folder_for_a_paper(stage: Stage) -> Printed:
    stage.put("notes.txt")
    stage.patch.setenv("HARNESS_REPLICATIONS", str(stage.folder / "notes.txt"))
    said = stage.say("harness new demo")
    assert list(stage.files()) == ["notes.txt"]
    return said


@case(
    "the disk is full at a page",
    pretended=FULL,
    kept="the page before",
    test="tests/report/test_markers.py::test_a_page_is_there_whole_or_as_it_was",
)
def full_at_page(stage: Stage) -> Printed:
    toy = ToyPaper(stage.folder)
    stage.patch.setenv("HARNESS_REPLICATIONS", str(toy.replications))
    toy.add({"accuracy": np.full(400, 95.0)})
    page = stage.put("README.md", "<!-- results:begin all -->\n<!-- results:end all -->\n")
    before = page.read_bytes()
    with full_disk(stage.folder):
        said = stage.say("harness compare --update-readmes")
    assert page.read_bytes() == before
    assert not list(stage.folder.glob(".*"))
    return said


@case(
    "the disk is full at a new paper",
    pretended=FULL,
    kept="all as it was",
    test="tests/cli/test_new_and_check.py::test_new_on_a_full_disk_leaves_nothing",
)
def full_at_new(stage: Stage) -> Printed:
    papers = stage.folder / "replications"
    stage.patch.setenv("HARNESS_REPLICATIONS", str(papers))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        said = stage.say("harness new demo")
    assert not stage.files()
    return said
