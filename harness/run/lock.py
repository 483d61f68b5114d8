"""One process a run: a second one on the same run is told who has it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import HarnessError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder; the system frees it when the process ends, however it does."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            f.seek(0)
            owner = f.read().strip() or "unknown"
            raise HarnessError(
                f"process {owner} is doing this very run already ({folder}); wait for it, or stop "
                f"it with `kill {owner}` and run the same command again."
            ) from None
        f.seek(0)
        f.truncate()
        f.write(str(os.getpid()))
        f.flush()
        yield
