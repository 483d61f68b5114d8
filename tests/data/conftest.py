"""Small stand-ins for the Omniglot files."""

from __future__ import annotations

import functools
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.data import omniglot, omniglot_source
from harness.data.omniglot_classes import SIDE, OmniglotClass, omniglot_classes

Edit = Callable[[dict[str, bytes]], None]


@functools.cache
def png() -> bytes:
    image = pytest.importorskip("PIL.Image").new("1", (SIDE, SIDE), 1)
    for i in range(20, 60):
        for width in range(4):
            image.putpixel((i, 50 + width), 0)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def few_classes() -> tuple[OmniglotClass, ...]:
    """Three alphabets, 24 + 41 background and 20 evaluation classes, to keep tests quick."""
    return tuple(c for c in omniglot_classes() if c.alphabet in ("Angelic", "Armenian", "Greek"))


def members(part: str) -> dict[str, bytes]:
    return {
        f"{part}/{c.name}/{n:04d}_{d:02d}.png": png()
        for n, c in enumerate(few_classes())
        if c.background == (part == "images_background")
        for d in range(1, 21)
    }


@pytest.fixture
def make_zips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write both zips of a false Omniglot, the background one changed by `edit`."""

    def make(edit: Edit = lambda files: None) -> Path:
        folder = tmp_path / "data" / "omniglot"
        folder.mkdir(parents=True)
        for part in ("images_background", "images_evaluation"):
            files = members(part)
            if part == "images_background":
                edit(files)
            with zipfile.ZipFile(folder / f"{part}.zip", "w") as z:
                for name, content in files.items():
                    z.writestr(name, content)
        monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "data"))
        return folder

    monkeypatch.setattr(omniglot_source, "omniglot_classes", few_classes)
    monkeypatch.setattr(omniglot, "omniglot_classes", few_classes)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return make
