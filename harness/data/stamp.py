"""The stamp of source files: cheap to take, and different as soon as the files may be others.

sha256 over name, size, time of change and inode of every file: nothing is read. 60,000 files take
about half a second. A packed store keeps the stamp of the files that it was made from.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.data.entries import is_clutter, is_folder, unreadable

DEEPEST = 4
"""Levels of folders below a root: a loop of links ends there."""


@dataclass(frozen=True)
class Located:
    """Where the files of a dataset are: `roots` are files or folders."""

    where: str
    """What messages call the place."""
    roots: tuple[Path, ...]

    def stamp(self) -> str:
        """Return the stamp (sha256, hex) of all files below the roots; HarnessError where a folder
        cannot be read. Paths above the roots do not count: a folder may be moved."""
        hasher = hashlib.sha256()
        for root in self.roots:
            for name, s in _files(root, root.name, 0):
                hasher.update(f"{name}\0{s.st_size}\0{s.st_mtime_ns}\0{s.st_ino}\n".encode())
        return hasher.hexdigest()


def _files(root: Path, name: str, depth: int) -> Iterator[tuple[str, os.stat_result]]:
    """Yield (name, what the system knows of it) of each plain file; loops of links are none."""
    try:
        if not is_folder(root):
            yield name, root.stat()
            return
        with os.scandir(root) as inside:
            below = sorted((e for e in inside if not is_clutter(e.name)), key=lambda e: e.name)
    except OSError as e:
        raise unreadable(root, e) from e
    for entry in below:
        try:
            status = entry.stat()
        except OSError:  # a link to nothing, or to itself: who reads it will say so
            continue
        if stat.S_ISREG(status.st_mode):
            yield f"{name}/{entry.name}", status
        elif stat.S_ISDIR(status.st_mode) and depth < DEEPEST:
            yield from _files(Path(entry.path), f"{name}/{entry.name}", depth + 1)
