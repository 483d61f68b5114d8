"""The folders of image data: the user's (HARNESS_DATA) and the cache (HARNESS_CACHE).

HARNESS_DATA names one folder, or several with `os.pathsep` between them (`:` on Linux and macOS).
They are searched in that order, and after them the cache: the first place that holds a dataset is
taken.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from harness.errors import HarnessError
from harness.home import expanded


def data_folders() -> list[Path]:
    """Give the folders that HARNESS_DATA names, in order; none where it is not set."""
    found = []
    for text in filter(None, os.environ.get("HARNESS_DATA", "").split(os.pathsep)):
        folder = expanded(text, "HARNESS_DATA")
        if not folder.is_dir():
            raise HarnessError(f"HARNESS_DATA names {text!r}, which is not a folder; set it right.")
        found.append(folder)
    return found


def cache_folder() -> Path:
    """Give the folder for packed stores and for what `harness data fetch` brings.

    It is not made here: whoever writes makes it.
    """
    text = os.environ.get("HARNESS_CACHE", "")
    return expanded(text or "~/.cache/metalearning-replications", "HARNESS_CACHE")


def places(*names: str) -> Iterator[Path]:
    """Give each of `names` below each folder of data and below the cache, in order of search."""
    for base in (*data_folders(), cache_folder()):
        for name in names:
            yield base / name
