"""What stands in folders of data: hidden entries are never data, and only plain files are opened.

A pipe or a device under the name of an image would hang whoever opens it, so a file's kind is
looked at first. What systems leave in folders (`.DS_Store`, `__MACOSX`, `Thumbs.db`,
`.ipynb_checkpoints`) is passed over at every level.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from harness.errors import HarnessError

CLUTTER = ("__macosx", "thumbs.db", "desktop.ini", "@eadir")
SHOWN = 5


def is_clutter(name: str) -> bool:
    """Return whether a file or folder of this name is not data: hidden, or left by a system."""
    return name.startswith(".") or name.casefold() in CLUTTER


def entries(folder: Path) -> list[Path]:
    """Return what stands in `folder` by name, clutter left out; HarnessError if it cannot be
    read."""
    try:
        return sorted(p for p in folder.iterdir() if not is_clutter(p.name))
    except OSError as e:
        raise unreadable(folder, e) from e


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in `folder` by name, clutter left out."""
    return [p for p in entries(folder) if is_folder(p)]


def is_folder(path: Path) -> bool:
    """Return whether `path` is a folder; a loop of links is none."""
    return _is(path, stat.S_ISDIR)


def is_plain(path: Path) -> bool:
    """Return whether `path` is a plain file, not a pipe or a device; a loop of links is none."""
    return _is(path, stat.S_ISREG)


def read_plain(path: Path, most_bytes: int) -> bytes:
    """Return the content of the plain file `path`, of `most_bytes` bytes at most.

    Raises HarnessError for anything else under its name, a larger file, and one that cannot be
    read.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise HarnessError(
                f"{path} is {_kind(status.st_mode)}, wanted a plain file; take it away."
            )
        if status.st_size > most_bytes:
            raise HarnessError(
                f"{path} is larger than {most_bytes:,} bytes ({status.st_size:,}); "
                "take a fresh copy."
            )
        return path.read_bytes()
    except OSError as e:
        raise unreadable(path, e) from e


def some(names: Iterable[str]) -> str:
    """Return the first few names for a message, and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else ""
    return ", ".join(ordered[:SHOWN]) + more if ordered else "nothing"


def unreadable(path: Path, e: OSError) -> HarnessError:
    """Return the sentence for what the system refuses to read."""
    return HarnessError(f"{path} cannot be read ({e.strerror or e}); mend it or take it away.")


def _is(path: Path, kind: Callable[[int], bool]) -> bool:
    try:
        return kind(path.stat().st_mode)
    except PermissionError as e:
        raise unreadable(path, e) from e
    except (OSError, ValueError):  # not there, a loop of links, a name that no file can have
        return False


def _kind(mode: int) -> str:
    kinds = {stat.S_ISDIR: "a folder", stat.S_ISFIFO: "a pipe", stat.S_ISSOCK: "a socket"}
    return next((word for test, word in kinds.items() if test(mode)), "a device")
