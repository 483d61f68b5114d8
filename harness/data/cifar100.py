"""Finds CIFAR-100, of which CIFAR-FS and FC100 are class splits, in either of two layouts.

Below a folder of HARNESS_DATA or the cache:

- PNG files `cifar100/{train,test}/<fine class>/<file>`, named as in the original archive;
- `cifar-100-python/` as torchvision leaves it, itself or in `cifar100/`.

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
from harness.data.decode import pillow
from harness.data.paths import places
from harness.errors import DataNotAtHand, HarnessError

NEXT = "set HARNESS_DATA or run `harness data fetch cifar-fs`"
SIDE = 32


def find_cifar100(classes: Sequence[ColorClass], of_each: int) -> ColorSource:
    """Give the first copy found, its classes and counts checked.

    A sixth of the images of a class are in `test`. Raises DataNotAtHand where there is none, and
    HarnessError for a missing or unknown class, a wrong count, or a damaged archive.
    """
    names = {c.name for c in classes}
    counts = {"train": of_each - of_each // 6, "test": of_each // 6}
    for folder in places("cifar100", "cifar100/cifar-100-python", "cifar-100-python"):
        if all((folder / part).is_dir() for part in counts):
            return _tree(folder, names, counts)
        if all((folder / part).is_file() for part in (*counts, "meta")):
            return _archive(folder, names, counts)
    raise DataNotAtHand(f"found no CIFAR-100 images; {NEXT}.")


def _tree(folder: Path, names: set[str], wanted: Mapping[str, int]) -> ImageFiles:
    files: dict[str, list[Path]] = {name: [] for name in names}
    for part, count in wanted.items():
        where = folder / part
        found = {p.name: sorted(p.glob("*.png")) for p in where.iterdir() if p.is_dir()}
        _check(str(where), {name: len(paths) for name, paths in found.items()}, names, count)
        for name in names:
            files[name] += found[name]
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


def _archive(folder: Path, names: set[str], wanted: Mapping[str, int]) -> _Archive:
    meta = folder / "meta"
    labels = [_text(n) for n in _entry(meta, read_array_pickle(meta), b"fine_label_names", list)]
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for part, count in wanted.items():
        where = folder / part
        content = read_array_pickle(where)
        data = _entry(where, content, b"data", np.ndarray)
        label = np.array(_entry(where, content, b"fine_labels", list))
        files = np.array([_text(f) for f in _entry(where, content, b"filenames", list)])
        rows = len(data)
        shapes = (data.shape, label.shape, files.shape)
        if shapes != ((rows, 3 * SIDE**2), (rows,), (rows,)) or label.dtype.kind != "i":
            raise HarnessError(
                f"{where}: data, fine_labels and filenames do not fit together (shapes {shapes}); "
                f"take a fresh copy, or {NEXT}."
            )
        if rows and not 0 <= label.min() <= label.max() < len(labels):
            raise HarnessError(
                f"{where}: found label {label.max()}, but meta names {len(labels)} classes; "
                f"take a fresh copy, or {NEXT}."
            )
        found = {labels[i]: np.flatnonzero(label == i) for i in np.unique(label)}
        _check(str(where), {name: len(at) for name, at in found.items()}, names, count)
        for name, at in found.items():
            rows_of_class = data[at[np.argsort(files[at], kind="stable")]]
            parts[name].append(rows_of_class.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1))
    return _Archive(folder, {name: np.concatenate(p) for name, p in parts.items()})


def _entry(path: Path, content: Mapping[bytes, Any], key: bytes, kind: type) -> Any:
    found = content.get(key)
    if not isinstance(found, kind):
        raise HarnessError(
            f"{path} has no {key.decode()}, wanted a file of CIFAR-100's python archive; "
            f"take a fresh copy, or {NEXT}."
        )
    return found


def _text(name: Any) -> str:
    return name.decode("latin-1") if isinstance(name, bytes) else str(name)


def _check(where: str, counts: Mapping[str, int], names: set[str], wanted: int) -> None:
    check_classes(where, set(counts), names, "CIFAR-100", f"take a fresh copy, or {NEXT}")
    check_counts(where, counts, wanted, f"take a fresh copy, or {NEXT}")
