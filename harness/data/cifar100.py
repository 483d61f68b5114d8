"""Finds CIFAR-100, of which CIFAR-FS and FC100 are class splits, in either of two layouts.

Below a folder of HARNESS_DATA or the cache:

- PNG files `cifar100/{train,test}/<fine class>/<file>`, named as in the original archive;
- `cifar-100-python/` as torchvision leaves it, itself or in `cifar100/`.

`cifar100/` may stand in a folder of its own name once more, or be what HARNESS_DATA names itself.
Both give the same images in the same order: of each class those of `train`, then those of `test`,
by file name. CIFAR's own train and test sets mean nothing here; classes are what is split.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.cifar_pickle import read_array_pickle
from harness.data.color_classes import ColorClass
from harness.data.color_source import ColorSource, ImageFiles, check_classes, check_counts
from harness.data.entries import entries, is_folder, is_plain, some, subfolders
from harness.data.paths import looked_in, places
from harness.data.picture import pillow
from harness.data.stamp import Located
from harness.errors import DataNotAtHand, HarnessError

NEXT = "set HARNESS_DATA or run `harness data fetch cifar-fs`"
SIDE = 32
MOST_LETTERS = 256
ARCHIVE = "cifar-100-python"
PARTS = ("train", "test")
_PLACES = (
    "cifar100",
    f"cifar100/{ARCHIVE}",
    ARCHIVE,
    "cifar100/cifar100",
    f"{ARCHIVE}/{ARCHIVE}",
    "",
)


def locate_cifar100(classes: Sequence[ColorClass]) -> Located:
    """Return the first copy, unread; DataNotAtHand where there is none.

    HarnessError where there is only half of one.
    """
    half = ""
    for folder in places(*_PLACES):
        roots = tuple(folder / part for part in PARTS)
        if all(map(is_folder, roots)) and _is_cifar(folder, classes):
            return Located(str(folder), roots)
        parts = [p for p in (*roots, folder / "meta") if is_plain(p)]
        if len(parts) == 3:
            return Located(str(folder), tuple(parts))
        if parts and folder.name == ARCHIVE:
            half = half or f"{folder}: found {' and '.join(p.name for p in parts)} only"
    if half:
        raise HarnessError(f"{half}, wanted train, test and meta of CIFAR-100's archive; {NEXT}.")
    for packed in places(*(f"{name}.tar.gz" for name in (ARCHIVE, f"cifar100/{ARCHIVE}"))):
        if is_plain(packed):
            raise DataNotAtHand(f"found {packed}, wanted what it holds: unpack it there.")
    raise DataNotAtHand(f"found no CIFAR-100 images{looked_in()}; {NEXT}.")


def find_cifar100(classes: Sequence[ColorClass], of_each: int) -> ColorSource:
    """Return the first copy found, its classes and counts checked.

    A sixth of the images of a class are in `test`. Raises DataNotAtHand where there is none, and
    HarnessError for a missing or unknown class, a wrong count, or a damaged archive.
    """
    names = {c.name for c in classes}
    counts = {"train": of_each - of_each // 6, "test": of_each // 6}
    located = locate_cifar100(classes)
    folder = located.roots[0].parent
    return (_tree if is_folder(located.roots[0]) else _archive)(folder, names, counts)


def _is_cifar(folder: Path, classes: Sequence[ColorClass]) -> bool:
    """Tell a tree of CIFAR-100 from another that has train/ and test/: by name, or by a class."""
    named = folder.name in ("cifar100", ARCHIVE)
    return named or any(is_folder(folder / "train" / c.name) for c in classes)


def _tree(folder: Path, names: set[str], wanted: Mapping[str, int]) -> ColorSource:
    files: dict[str, list[Path]] = {name: [] for name in names}
    for part, count in wanted.items():
        where = folder / part
        files_of = {
            p.name: [f for f in entries(p) if f.suffix.lower() == ".png"] for p in subfolders(where)
        }
        _check(str(where), {name: len(paths) for name, paths in files_of.items()}, names, count)
        for name in names:
            files[name] += files_of[name]
    return ImageFiles(folder, files)


@dataclass(frozen=True)
class _Archive:
    """Images by class, uint8 [images, 32, 32, 3]."""

    folder: Path
    arrays: Mapping[str, np.ndarray]

    @property
    def where(self) -> str:
        return str(self.folder)

    def images(self, name: str) -> Iterator[tuple[str, Any]]:
        module = pillow()
        for i, image in enumerate(self.arrays[name]):
            yield f"{self.folder}: image {i + 1} of {name}", module.fromarray(image)


def _archive(folder: Path, names: set[str], wanted: Mapping[str, int]) -> ColorSource:
    meta = folder / "meta"
    labels = _texts(meta, _entry(meta, read_array_pickle(meta), b"fine_label_names", list))
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for part, count in wanted.items():
        where = folder / part
        content = read_array_pickle(where)
        data = _entry(where, content, b"data", np.ndarray)
        label = _labels(where, _entry(where, content, b"fine_labels", list), len(labels))
        files = np.array(_texts(where, _entry(where, content, b"filenames", list)))
        rows = len(data)
        shapes = (data.shape, label.shape, files.shape)
        if shapes != ((rows, 3 * SIDE**2), (rows,), (rows,)):
            raise HarnessError(
                f"{where}: data, fine_labels and filenames do not fit together (shapes {shapes}); "
                f"take a fresh copy, or {NEXT}."
            )
        rows_of = {labels[i]: np.flatnonzero(label == i) for i in np.unique(label)}
        _check(str(where), {name: len(at) for name, at in rows_of.items()}, names, count)
        for name, at in rows_of.items():
            rows_of_class = data[at[np.argsort(files[at], kind="stable")]]
            parts[name].append(rows_of_class.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1))
    return _Archive(folder, {name: np.concatenate(p) for name, p in parts.items()})


def _labels(where: Path, labels: list[Any], classes: int) -> np.ndarray:
    """Return class numbers, int64; HarnessError for anything else in the list."""
    for label in labels:
        if type(label) is not int or not 0 <= label < classes:
            small = type(label) is int and abs(label) < 10**9
            raise HarnessError(
                f"{where}: found label {label if small else 'of another kind'}, but meta names "
                f"{classes} classes; take a fresh copy, or {NEXT}."
            )
    return np.array(labels, np.int64)


def _texts(where: Path, texts: list[Any]) -> list[str]:
    """Return names as text; HarnessError for anything else, or a name that no file can have."""
    names = [n.decode("latin-1") if isinstance(n, bytes) else n for n in texts]
    if not all(isinstance(n, str) and len(n) < MOST_LETTERS for n in names):
        raise HarnessError(
            f"{where}: found names that are no short texts, wanted those of CIFAR-100's archive; "
            f"take a fresh copy, or {NEXT}."
        )
    return names


def _entry(path: Path, content: Mapping[bytes, Any], key: bytes, kind: type) -> Any:
    value = content.get(key)
    if not isinstance(value, kind):
        here = some(k.decode("latin-1") for k in content if isinstance(k, bytes))
        raise HarnessError(
            f"{path} has no {key.decode()} of the right kind (but {here}), wanted a file "
            f"of CIFAR-100's python archive; take a fresh copy, or {NEXT}."
        )
    return value


def _check(where: str, counts: Mapping[str, int], names: set[str], wanted: int) -> None:
    check_classes(where, set(counts), names, "CIFAR-100", f"take a fresh copy, or {NEXT}")
    check_counts(where, counts, wanted, f"take a fresh copy, or {NEXT}")
