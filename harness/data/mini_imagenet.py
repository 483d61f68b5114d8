"""Finds mini-ImageNet with the classes of Ravi and Larochelle (2017), in either of two layouts.

Below a folder of HARNESS_DATA or the cache, in `mini-imagenet/`:

- class folders `<any>/<wnid>/<file>` or `<wnid>/<file>`: sub-folders such as train, val, test are
  pooled and images indexed by class, because copies differ in what they put into which;
- one folder `images/` with all files, beside `train.csv`, `val.csv` and `test.csv` (columns
  filename and label).

"mini-ImageNet" names several datasets; another one is refused, with a sentence.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.data.color_classes import PARTS, ColorClass
from harness.data.color_source import ImageFiles, check_classes, check_counts
from harness.data.paths import places
from harness.errors import DataNotAtHand, HarnessError

WHOSE = "Ravi and Larochelle's mini-ImageNet"
NEXT = "HARNESS_DATA has to name a folder with their images in mini-imagenet/"
SUFFIXES = (".jpg", ".jpeg", ".png")
NAMES_DIGEST = "0f3d86bb524a0170b74dbfbbfbe4842768a4dd54ee4099891418a3dde6747b94"
"""sha256 of the 60,000 file names in Ravi and Larochelle's csv files, sorted, one a line."""


def find_mini_imagenet(classes: Sequence[ColorClass], of_each: int) -> ImageFiles:
    """Give the files of the first `mini-imagenet/` folder, checked against the class list.

    Raises DataNotAtHand where there is no such folder, and HarnessError for another
    "mini-ImageNet", a missing class or a wrong count.
    """
    for folder in places("mini-imagenet"):
        if folder.is_dir():
            break
    else:
        raise DataNotAtHand(f"found no mini-ImageNet images; {NEXT}.")
    part = {c.name: c.part for c in classes}
    files = _flat(folder, part) if _is_flat(folder) else _by_folder(folder)
    _refuse_one_part(folder, set(files), part)
    copy = f"take a copy with their {len(part)} classes of {of_each} images"
    check_classes(str(folder), set(files), set(part), WHOSE, copy)
    check_counts(str(folder), {name: len(found) for name, found in files.items()}, of_each, copy)
    # By file name and not by folder: the order is the same in every layout.
    return ImageFiles(folder, {n: sorted(f, key=lambda p: p.name) for n, f in files.items()})


def names_digest(source: ImageFiles) -> str:
    """Give the sha256 of the sorted file names, to compare with `NAMES_DIGEST`."""
    names = sorted(path.name for files in source.files.values() for path in files)
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _is_flat(folder: Path) -> bool:
    images = folder / "images"
    return images.is_dir() and not any(p.is_dir() for p in images.iterdir())


def _by_folder(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for pattern in ("n*/*", "*/n*/*"):
        for path in folder.glob(pattern):
            name = path.parent.name
            if _is_image(path) and len(name) == 9 and name[1:].isdigit():
                found.setdefault(name, []).append(path)
    return found


def _flat(folder: Path, part: Mapping[str, str]) -> dict[str, list[Path]]:
    """Index `images/` by the three csv files, which have to agree with the class list."""
    there = {path.name: path for path in (folder / "images").iterdir() if _is_image(path)}
    found: dict[str, list[Path]] = {}
    for split in PARTS:
        table = folder / f"{split}.csv"
        try:
            rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
            pairs = [(row["filename"], row["label"]) for row in rows]
        except (OSError, UnicodeDecodeError, KeyError, csv.Error) as e:
            raise HarnessError(
                f"{table} cannot be read ({e}); wanted {', '.join(f'{p}.csv' for p in PARTS)} with "
                f"columns filename and label beside {folder / 'images'}."
            ) from e
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
            found.setdefault(label, []).append(there[file])
    return found


def _refuse_one_part(folder: Path, found: set[str], part: Mapping[str, str]) -> None:
    """Say it plainly where only the training classes, or those of two parts, are there."""
    whole = [p for p in PARTS if {n for n in part if part[n] == p} <= found]
    if whole and len(whole) < 3 and all(part.get(n) in whole for n in found):
        raise HarnessError(
            f"{folder}: found the {' and '.join(whole)} classes only ({len(found)} of "
            f"{len(part)}), wanted train, val and test of {WHOSE}; put the others beside them."
        )


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
