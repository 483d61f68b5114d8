"""Datasets that look right from outside, with all classes, to be made wrong."""

from __future__ import annotations

import functools
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from harness.data import omniglot as omniglot_module
from harness.data import omniglot_source
from harness.data.color_classes import color_classes
from harness.data.lake_runs import RUNS, WAYS
from harness.data.omniglot_classes import SIDE, omniglot_classes
from harness.data.store import ImageStore
from tests.failures.stage import Stage

Files = dict[str, bytes]
WNIDS = tuple(c.name for c in color_classes("mini-imagenet"))


@functools.cache
def drawing() -> bytes:
    """Return a drawing of nothing, as PNG."""
    out = io.BytesIO()
    Image.new("1", (SIDE, SIDE), 1).save(out, "PNG")
    return out.getvalue()


@functools.cache
def photo() -> bytes:
    """Return a photo of nothing, as JPEG."""
    out = io.BytesIO()
    Image.new("RGB", (84, 84), (200, 100, 50)).save(out, "JPEG")
    return out.getvalue()


def zipped(files: Files) -> bytes:
    """Return a zip with these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


def _part(part: str) -> Files:
    return {
        f"{part}/{c.name}/{n:04d}_{d:02d}.png": drawing()
        for n, c in enumerate(omniglot_source.omniglot_classes(), start=1)
        if c.background == (part == "images_background")
        for d in range(1, 21)
    }


@functools.cache
def _whole(part: str, known: int) -> bytes:
    assert known == len(omniglot_source.omniglot_classes())
    return zipped(_part(part))


def know_few(stage: Stage) -> None:
    """Let the harness know two alphabets of Omniglot only: a fiftieth of the work."""
    few = tuple(c for c in omniglot_classes() if c.alphabet in ("Angelic", "Greek"))
    for module in (omniglot_source, omniglot_module):
        stage.patch.setattr(module, "omniglot_classes", lambda: few)


def empty_zips(stage: Stage) -> None:
    """Put zips of nothing below data/omniglot/: for packs, whose files are looked at from outside
    only."""
    stage.patch.setenv("HARNESS_DATA", str(stage.folder / "data"))
    for part in ("images_background", "images_evaluation"):
        stage.put(f"data/omniglot/{part}.zip", zipped({}))


def omniglot(stage: Stage, edit: Callable[[Files], None] | None = None) -> Path:
    """Put both zips of Omniglot below data/omniglot/; return that of the evaluation part, whose
    files were changed by `edit`."""
    known = len(omniglot_source.omniglot_classes())
    evaluation = _whole("images_evaluation", known) if edit is None else _edited(edit)
    stage.patch.setenv("HARNESS_DATA", str(stage.folder / "data"))
    stage.put("data/omniglot/images_background.zip", _whole("images_background", known))
    return stage.put("data/omniglot/images_evaluation.zip", evaluation)


def _edited(edit: Callable[[Files], None]) -> bytes:
    files = _part("images_evaluation")
    edit(files)
    return zipped(files)


def lake_runs(stage: Stage, edit: Callable[[Files], None]) -> Path:
    """Put Lake's runs, changed by `edit`, below data/omniglot/."""
    files: Files = {}
    for run in (f"run{r + 1:02d}" for r in range(RUNS)):
        pairs = []
        for i in range(1, WAYS + 1):
            names = f"{run}/test/item{i:02d}.png", f"{run}/training/class{i:02d}.png"
            files |= dict.fromkeys(names, drawing())
            pairs.append(" ".join(names))
        files[f"{run}/class_labels.txt"] = "\n".join(pairs).encode()
    edit(files)
    stage.patch.setenv("HARNESS_DATA", str(stage.folder / "data"))
    return stage.put("data/omniglot/all_runs.zip", zipped(files))


def omniglot_store(size: int) -> ImageStore:
    """Return a blank Omniglot as a packed store."""
    classes = omniglot_classes()
    return ImageStore(
        dataset="omniglot",
        images=np.zeros((len(classes), 20, size, size), np.uint8),
        class_names=tuple(c.name for c in classes),
        part=np.array([c.background for c in classes], np.uint8),
        source_digest="0" * 64,
        synthetic=False,
    )


def mini_imagenet(stage: Stage, of_each: int = 600, of_own: int = 600, own: str = WNIDS[0]) -> Path:
    """Put mini-ImageNet below data/: each class is one and the same folder of empty files, but for
    `own`, which has its own. Give the folder."""
    for k in range(of_each):
        stage.put(f"same/{k + 1:08d}.jpg")
    folder = stage.folder / "data" / "mini-imagenet"
    folder.mkdir(parents=True)
    for name in WNIDS:
        if name != own:
            os.symlink(stage.folder / "same", folder / name)
    for k in range(of_own):
        stage.put(f"data/mini-imagenet/{own}/{own}{k + 1:08d}.jpg")
    stage.patch.setenv("HARNESS_DATA", str(stage.folder / "data"))
    return folder
