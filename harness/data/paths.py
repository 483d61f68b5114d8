"""The folders of image data: the user's (HARNESS_DATA) and the cache (HARNESS_CACHE).

HARNESS_DATA names one folder, or several with `os.pathsep` between them (`:` on Linux and macOS).
They are searched in that order, and after them the cache: the first place that holds a dataset is
taken.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from harness.data.entries import entries, is_folder, some
from harness.errors import HarnessError
from harness.home import expanded

_going_on: ContextVar[bool] = ContextVar("_going_on", default=False)


def data_folders() -> list[Path]:
    """Return the folders that HARNESS_DATA names, in order; none where it is not set.

    Raises HarnessError for one that is no folder or cannot be read, but see
    `without_bad_folders`.
    """
    folders = []
    for text in filter(None, os.environ.get("HARNESS_DATA", "").split(os.pathsep)):
        folder, fault = _looked_at(text)
        if not fault:
            folders.append(folder)
        elif not _going_on.get():
            raise HarnessError(fault)
    return folders


def bad_folders() -> list[str]:
    """Return a sentence for each folder of HARNESS_DATA that is none or cannot be read."""
    texts = filter(None, os.environ.get("HARNESS_DATA", "").split(os.pathsep))
    return [fault for _, fault in map(_looked_at, texts) if fault]


@contextmanager
def without_bad_folders() -> Iterator[None]:
    """Pass over folders that cannot be read, within the block: for listing what there is."""
    token = _going_on.set(True)
    try:
        yield
    finally:
        _going_on.reset(token)


def cache_folder() -> Path:
    """Return the folder for packed stores and for what `harness data fetch` brings.

    It is not made here: whoever writes makes it. Raises HarnessError without a home folder.
    """
    text = os.environ.get("HARNESS_CACHE", "")
    return expanded(text or "~/.cache/metalearning-replications", "HARNESS_CACHE")


def places(*names: str) -> Iterator[Path]:
    """Yield each of `names` below each folder of data and below the cache, in order of search."""
    for base in (*data_folders(), cache_folder()):
        for name in names:
            yield base / name


def alike(*names: str) -> Iterator[Path]:
    """Yield what stands in these folders, or in the cache, under one of `names` but for capitals
    and dashes; and such a folder itself where HARNESS_DATA names it."""
    wanted = {_squashed(name) for name in names}
    for base in (*data_folders(), cache_folder()):
        if _squashed(base.name) in wanted:
            yield base
        if is_folder(base):
            yield from (p for p in entries(base) if _squashed(p.name) in wanted)


def looked_in() -> str:
    """Return what the folders of HARNESS_DATA hold, for a message that misses something there."""
    there = [
        f"{folder} (which holds {some(p.name for p in entries(folder))})"
        for folder in data_folders()
    ]
    return f" in {' or '.join(there)}" if there else ""


def _looked_at(text: str) -> tuple[Path, str]:
    """Return a folder, and why it cannot be searched ('' if it can)."""
    folder = Path(text)
    try:
        folder = folder.expanduser()
        if not folder.is_dir():
            return folder, f"HARNESS_DATA names {text!r}, which is not a folder; set it right."
        with os.scandir(folder):
            return folder, ""
    except RuntimeError:
        return folder, f"HARNESS_DATA names {text!r}, but there is no such home; set it right."
    except OSError as e:
        why = e.strerror or e
        return folder, f"HARNESS_DATA names {text!r}, which cannot be read ({why}); set it right."


def _squashed(name: str) -> str:
    return name.casefold().replace("-", "").replace("_", "").replace(" ", "")
