"""Files that are there whole or not at all, after a power cut too."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from harness.errors import HarnessError


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, text: str) -> None:
    """Write a file of results in place of the one before, whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8") as f:
            f.write(text)
            f.flush()
            os.fsync(f.fileno())
        partial.replace(path)
        sync_folder(path.parent)
    except OSError as e:
        raise HarnessError(
            f"could not write {path}: {e.strerror or e}; what stood there is untouched: free some "
            f"space or give another folder with --results, and run the command again."
        ) from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
