"""The two folders of image data: the user's (HARNESS_DATA) and the cache (HARNESS_CACHE)."""

from __future__ import annotations

import os
from pathlib import Path

from harness.errors import HarnessError


def data_folder() -> Path | None:
    """Give the folder that HARNESS_DATA names, or None where it is not set."""
    text = os.environ.get("HARNESS_DATA", "")
    if not text:
        return None
    folder = Path(text).expanduser()
    if not folder.is_dir():
        raise HarnessError(f"HARNESS_DATA is {text!r}, which is not a folder; set it to one.")
    return folder


def cache_folder() -> Path:
    """Give the folder for packed stores and for what `harness data fetch` brings.

    It is not made here: whoever writes makes it.
    """
    text = os.environ.get("HARNESS_CACHE", "")
    return Path(text or "~/.cache/metalearning-replications").expanduser()
