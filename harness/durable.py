"""Files that are there whole or not at all, after a power cut too."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import HarnessError
from harness.file_lock import take

ELSEWHERE = "free some space or give another folder with --results"
_ABANDONED_SECONDS = 3600.0
"""After this time a half-written file has no writer any more: it was killed."""


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, text: str, advice: str = ELSEWHERE) -> None:
    """Write a text file in place of the one before, whole or not at all."""
    with in_place_of(path, advice) as partial:
        partial.write_text(text, encoding="utf-8")


@contextmanager
def in_place_of(path: Path, advice: str = ELSEWHERE) -> Iterator[Path]:
    """Return a hidden file beside `path` to be written; then it takes the place of `path`.

    A link is followed, and the permissions of what stood there are kept. HarnessError (with
    `advice` on what to do) where the system refuses; what stood there is untouched then.
    """
    target = path.resolve()
    partial = target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(target)
        yield partial
        if target.exists():
            shutil.copymode(target, partial)
        with partial.open("rb") as f:
            os.fsync(f.fileno())
        partial.replace(target)
        sync_folder(target.parent)
    except OSError as e:
        raise HarnessError(
            f"could not write {path}: {e.strerror or e}; what stood there is untouched: {advice}, "
            f"and run the command again."
        ) from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Wait for the lock of `folder` (made if need be) and hold it, to read and write a file in it.

    The system frees it when the process ends. Where there are no such locks (no `fcntl`, or a file
    system without them) nothing is held.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise HarnessError(
            f"could not make {folder}: {e.strerror or e}; {ELSEWHERE}, and run the command again."
        ) from None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            take(descriptor, wait=True)
        yield
    finally:
        os.close(descriptor)


def _remove_abandoned(target: Path) -> None:
    """Remove what killed writers of `target` left beside it."""
    with contextlib.suppress(OSError):
        for path in target.parent.iterdir():
            own = path.name.startswith(f".{target.stem}.") and path.suffix == target.suffix
            middle = path.name.removeprefix(f".{target.stem}.").removesuffix(target.suffix)
            if own and middle.isdigit() and time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                path.unlink()
