"""Locks that end with the process that holds them, however it ends."""

from __future__ import annotations

import errno


def take(descriptor: int, wait: bool = False) -> bool:
    """Lock an open file or folder, until it is closed; False where another process holds it and
    `wait` is not asked for.

    Raises OSError where there are no such locks: no `fcntl`, or a file system without them.
    """
    try:
        import fcntl
    except ImportError:
        raise OSError(errno.ENOSYS, "found no file locks (fcntl) on this system") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
