"""Finds mini-ImageNet with the classes of Ravi and Larochelle (2017), in either of two layouts.

In `mini-imagenet/` (also `miniImageNet`, `mini_imagenet` …) below a folder of HARNESS_DATA or the
cache, or where HARNESS_DATA names such a folder itself:

- class folders `<any>/<wnid>/<file>` or `<wnid>/<file>`: sub-folders such as train, val, test are
  pooled and images indexed by class, because copies differ in what they put into which; or one
  level deeper where there are none at this level;
- one folder `images/` with all files, beside `train.csv`, `val.csv` and `test.csv`
  (`harness.data.mini_imagenet_tables`).

"mini-ImageNet" names several datasets; another one is refused, with a sentence.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.data.color_classes import PARTS, ColorClass
from harness.data.color_source import ImageFiles, check_classes, check_counts
from harness.data.entries import entries, is_folder, is_plain, some, subfolders
from harness.data.mini_imagenet_tables import read_tables
from harness.data.paths import alike, data_folders, looked_in
from harness.data.stamp import Located
from harness.errors import DataNotAtHand, HarnessError

WHOSE = "Ravi and Larochelle's mini-ImageNet"
NEXT = "HARNESS_DATA has to name a folder with their images in mini-imagenet/"
SUFFIXES = (".jpg", ".jpeg", ".png")
_CLASS = re.compile(r"n\d{8}")
_PACKED = (".zip", ".tar", ".tar.gz", ".tgz")


def locate_mini_imagenet(classes: Sequence[ColorClass]) -> Located:
    """Return the first `mini-imagenet/` folder, unread; DataNotAtHand where there is none."""
    for folder in alike("mini-imagenet"):
        if is_folder(folder):
            return Located(str(folder), (folder,))
    for packed in alike(*(f"mini-imagenet{suffix}" for suffix in _PACKED)):
        raise DataNotAtHand(f"found {packed}, wanted what it holds: unpack it to mini-imagenet/.")
    known = {c.name for c in classes}
    for base in data_folders():
        for above in (base, *subfolders(base)):
            if known & {p.name for p in entries(above)}:
                raise DataNotAtHand(
                    f"found classes of {WHOSE} in {above}, wanted them in a folder that is called "
                    f"mini-imagenet; move them to {base / 'mini-imagenet'}."
                )
    raise DataNotAtHand(f"found no mini-ImageNet images{looked_in()}; {NEXT}.")


def find_mini_imagenet(classes: Sequence[ColorClass], of_each: int) -> ImageFiles:
    """Return the files of the first `mini-imagenet/` folder, checked against the class list.

    Raises DataNotAtHand where there is no such folder, and HarnessError for another
    "mini-ImageNet", a missing class or a wrong count.
    """
    folder = locate_mini_imagenet(classes).roots[0]
    part = {c.name: c.part for c in classes}
    files = _flat(folder, part) if _is_flat(folder) else _by_folder(folder)
    if not files:
        raise HarnessError(_nothing(folder))
    _refuse_one_part(folder, set(files), part)
    copy = f"take a copy with their {len(part)} classes of {of_each} images"
    check_classes(str(folder), set(files), set(part), WHOSE, copy)
    check_counts(str(folder), {name: len(paths) for name, paths in files.items()}, of_each, copy)
    # By file name and not by folder: the order is the same in every layout.
    return ImageFiles(folder, {n: sorted(f, key=lambda p: p.name) for n, f in files.items()})


def names_digest(source: ImageFiles) -> str:
    """Return the sha256 of the sorted file names, to compare with `harness.data.known`."""
    names = sorted(path.name for files in source.files.values() for path in files)
    return hashlib.sha256("\n".join(names).encode("utf-8", "surrogateescape")).hexdigest()


def _is_flat(folder: Path) -> bool:
    images = folder / "images"
    return is_folder(images) and any(_is_image(p) for p in entries(images))


def _by_folder(folder: Path) -> dict[str, list[Path]]:
    """Index images by their class folder, the first two levels together, else the third."""
    images_of: dict[str, list[Path]] = {}
    level = [folder]
    for depth in range(3):
        if depth == 2 and images_of:
            break
        below = [sub for above in level for sub in subfolders(above)]
        for sub in (s for s in below if _CLASS.fullmatch(s.name)):
            if images := [p for p in entries(sub) if _is_image(p)]:
                images_of.setdefault(sub.name, []).extend(images)
        level = [s for s in below if not _CLASS.fullmatch(s.name)]
    return images_of


def _flat(folder: Path, part: Mapping[str, str]) -> dict[str, list[Path]]:
    """Index `images/` by the three csv files, which have to agree with the class list."""
    there = {path.name: path for path in entries(folder / "images") if _is_image(path)}
    images_of: dict[str, list[Path]] = {}
    for split, table, pairs in read_tables(folder):
        for file, label in pairs:
            if part.get(label, split) != split:
                raise HarnessError(
                    f"{table}: found class {label} in {split}, {WHOSE} has it in {part[label]}: "
                    "this is another split; take their csv files."
                )
            if file not in there:
                raise HarnessError(
                    f"{table} names {file}, which is not in {folder / 'images'}; take a fresh copy."
                )
            images_of.setdefault(label, []).append(there[file])
    return images_of


def _nothing(folder: Path) -> str:
    """Return what a folder without images in class folders has instead."""
    here = entries(folder)
    caches = [p.name for p in here if p.suffix in (".pkl", ".pickle") and is_plain(p)]
    kind = f"pickle caches ({some(caches)}), which are not opened" if caches else None
    return (
        f"{folder}: found {kind or some(p.name for p in here)}, wanted image files in class "
        "folders, as in train/n01532829/, or images/ beside train.csv, val.csv and test.csv; take "
        "a copy of image files."
    )


def _refuse_one_part(folder: Path, present: set[str], part: Mapping[str, str]) -> None:
    """Refuse in plain words a copy with only the training classes, or those of two parts."""
    whole = [p for p in PARTS if {n for n in part if part[n] == p} <= present]
    if whole and len(whole) < 3 and all(part.get(n) in whole for n in present):
        raise HarnessError(
            f"{folder}: found the {' and '.join(whole)} classes only ({len(present)} of "
            f"{len(part)}), wanted train, val and test of {WHOSE}; put the others beside them."
        )


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
