"""Small false mini-ImageNet and CIFAR-100 trees: six classes of six images."""

from __future__ import annotations

import dataclasses
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from harness.data import color_store
from harness.data.color_classes import ColorClass, color_classes

OF_EACH = 6


def few_classes(dataset: str) -> tuple[ColorClass, ...]:
    """Three training classes, one of validation, two of test."""
    classes = [
        c
        for part, count in (("train", 3), ("val", 1), ("test", 2))
        for c in [c for c in color_classes(dataset) if c.part == part][:count]
    ]
    return tuple(sorted(classes, key=lambda c: c.name))


def use_few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *datasets: str) -> None:
    """Let the harness know the few classes only, and look for data in `tmp_path` / data."""
    for name in datasets:
        kind = color_store.COLOR_SETS[name]
        small = dataclasses.replace(kind, classes=few_classes(name), of_each=OF_EACH)
        monkeypatch.setitem(color_store.COLOR_SETS, name, small)
    (tmp_path / "data").mkdir(exist_ok=True)
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


def pixels(i: int, k: int, side: int) -> np.ndarray:
    """Image k of class i, uint8 [side, side, 3]."""
    return np.random.default_rng([i, k]).integers(0, 256, (side, side, 3), dtype=np.uint8)


def picture(array: np.ndarray, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    pytest.importorskip("PIL.Image").fromarray(array).save(out, kind)
    return out.getvalue()


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def mini_files(side: int = 84) -> dict[tuple[str, str], bytes]:
    """Content by (class, file name), as JPEG."""
    return {
        (c.name, f"{c.name}{k:08d}.jpg"): picture(pixels(i, k, side), "JPEG")
        for i, c in enumerate(few_classes("mini-imagenet"))
        for k in range(OF_EACH)
    }


def mini_tree(folder: Path, side: int = 84) -> None:
    """In sub-folders that have nothing to do with the split."""
    for n, ((name, file), content) in enumerate(mini_files(side).items()):
        put(folder / "mini-imagenet" / ("a", "b")[n % 2] / name / file, content)


def cifar_names(i: int) -> list[tuple[str, str]]:
    """(part, file name) of the images of class i, in the order of the store."""
    parts = ["train"] * 5 + ["test"]
    return [(p, f"photo_s_{10 * i + k:06d}.png") for k, p in enumerate(parts)]


def cifar_tree(folder: Path) -> None:
    for i, c in enumerate(few_classes("cifar-fs")):
        for k, (part, file) in enumerate(cifar_names(i)):
            put(folder / "cifar100" / part / c.name / file, picture(pixels(i, k, 32)))


class PythonTwo(pickle._Pickler):  # type: ignore[name-defined,misc]
    """Writes byte strings as Python 2 did, in which the archive was made."""

    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def _string(self, content: bytes | str) -> None:
        raw = content.encode() if isinstance(content, str) else content
        self.write(pickle.BINSTRING + len(raw).to_bytes(4, "little") + raw)
        self.memoize(content)

    dispatch[bytes] = dispatch[str] = _string


def cifar_archive(folder: Path, edit: Callable[[dict[str, dict[bytes, Any]]], None]) -> Path:
    """Write `cifar-100-python/` with shuffled rows, changed by `edit`."""
    classes = few_classes("cifar-fs")
    rows = [
        (part, i, k, file)
        for i in range(len(classes))
        for k, (part, file) in enumerate(cifar_names(i))
    ]
    order = np.random.default_rng(1).permutation(len(rows))
    content: dict[str, dict[bytes, Any]] = {
        "meta": {b"fine_label_names": [c.name.encode() for c in classes]}
    }
    for part in ("train", "test"):
        mine = [rows[r] for r in order if rows[r][0] == part]
        data = [pixels(i, k, 32).transpose(2, 0, 1).ravel() for _, i, k, _ in mine]
        content[part] = {
            b"data": np.stack(data),
            b"fine_labels": [i for _, i, _, _ in mine],
            b"filenames": [file.encode() for _, _, _, file in mine],
        }
    edit(content)
    for name, held in content.items():
        out = io.BytesIO()
        PythonTwo(out, protocol=2).dump(held)
        old = out.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
        put(folder / "cifar-100-python" / name, old)
    return folder / "cifar-100-python"
