"""One process per run: a second one on the same run is told which process has it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path

from harness.errors import HarnessError
from harness.file_lock import take


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder; the system frees it when the process ends, however it does.

    Where the system or the file system has no such locks, nothing is held.
    """
    with _opened(folder) as f:
        try:
            free = take(f.fileno())
        except OSError:
            yield
            return
        if not free:
            f.seek(0)
            owner = f.read().decode().strip() or "unknown"
            raise HarnessError(
                f"process {owner} is doing this very run already ({folder}); wait for it, or stop "
                f"it with `kill {owner}` and run the same command again."
            )
        # The owner is named for the message above only: a full disk must not stop a run here.
        with contextlib.suppress(OSError):
            f.seek(0)
            f.truncate()
            f.write(str(os.getpid()).encode())
        yield


def set_aside(folder: Path) -> Path | None:
    """Rename a run folder, so that the run starts anew; return its new place, None if there was no
    folder.

    Nothing is deleted. Raises HarnessError while a process is at it."""
    if not folder.exists():
        return None
    with locked(folder):
        name = f"{folder.name}-aside-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
        return folder.rename(folder.with_name(name))


def _opened(folder: Path) -> FileIO:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / "lock").open("ab+", buffering=0)
    except OSError as e:
        raise HarnessError(
            f"found no way to write to {folder} ({e.strerror}), wanted it for checkpoints; "
            f"give another folder with --work."
        ) from None
