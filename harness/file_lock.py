"""Locks that end with the process that holds them, however it ends."""

from __future__ import annotations

from harness.errors import HarnessError


def take(descriptor: int, wait: bool = False) -> bool:
    """Lock an open file or folder, until it is closed; False where another process holds it and
    `wait` is not asked for."""
    try:
        import fcntl
    except ImportError:
        raise HarnessError(
            "found no file locks (fcntl) on this system, which keep two runs apart; use Linux or "
            "macOS, or on Windows its subsystem for Linux."
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
