"""Reads members of zip archives that may be damaged or hostile; nothing is ever extracted.

An unpacked tree is read through the same two names, so that whoever reads need not know which.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath
from typing import Protocol

from harness.data.entries import entries, is_clutter, is_folder, is_plain, read_plain
from harness.errors import HarnessError

MOST_BYTES = 1 << 20  # of one member; the real ones have a few hundred


class Members(Protocol):
    """Files by name: `names` with `/` between folders, hidden entries left out."""

    where: Path
    names: list[str]

    def read(self, member: str) -> bytes:
        """Return the content of `member`, which is one of `names`; HarnessError where it is bad."""


class Archive:
    """An open zip. `next_step` is what messages tell the user to do."""

    def __init__(self, where: Path, archive: zipfile.ZipFile, next_step: str) -> None:
        self.where, self.next_step = where, next_step
        self._archive = archive
        self._members: dict[str, str] = {}
        for name in archive.namelist():
            windows = PureWindowsPath(name)
            if windows.drive or windows.root or ".." in windows.parts:
                raise HarnessError(
                    f"{where} has a member {name!r} that points outside the archive; "
                    "wanted the original Omniglot zip, so take a fresh copy."
                )
            if not any(is_clutter(part) for part in windows.parts):
                # Some packers write the folders of Windows.
                self._members[name.replace("\\", "/")] = name
        self.names = list(self._members)

    def read(self, member: str) -> bytes:
        """Return the content of `member`, which is one of `names`; HarnessError where it is bad."""
        name = self._members[member]
        if self._archive.getinfo(name).file_size > MOST_BYTES:
            raise HarnessError(
                f"{self.where}: {member} is larger than {MOST_BYTES} bytes, wanted a small file; "
                "take a fresh copy."
            )
        try:
            return self._archive.read(name)
        # RuntimeError: encrypted; NotImplementedError: unknown compression.
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as e:
            raise HarnessError(
                f"{self.where} is corrupt at {member} ({e}); "
                f"take a fresh copy, or {self.next_step}."
            ) from e


class Tree:
    """The files of a folder that end in one of `suffixes`, `depth` folders deep at most, under the
    names that they have in the zip: the folder's own first."""

    def __init__(self, where: Path, depth: int, suffixes: tuple[str, ...]) -> None:
        self.where = where
        self._paths = {
            f"{where.name}/{p.relative_to(where).as_posix()}": p
            for p in _files(where, depth, suffixes)
        }
        self.names = list(self._paths)

    def read(self, member: str) -> bytes:
        """Return the content of `member`, which is one of `names`; HarnessError where it is bad."""
        return read_plain(self._paths[member], MOST_BYTES)


def _files(folder: Path, depth: int, suffixes: tuple[str, ...]) -> Iterator[Path]:
    for path in entries(folder):
        if path.suffix.lower() in suffixes:
            yield path
        elif depth and is_folder(path):
            yield from _files(path, depth - 1, suffixes)


@contextmanager
def open_archive(where: Path, next_step: str) -> Iterator[Archive]:
    """Open the zip at `where`; HarnessError where it is none, or a member points outside."""
    if not is_plain(where):
        raise HarnessError(f"{where} is no plain file, wanted a zip; {next_step}.")
    try:
        archive = zipfile.ZipFile(where)
    # NotImplementedError: a zip version of the future; ValueError: bad offsets or names.
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as e:
        raise HarnessError(
            f"{where} is not a readable zip ({e}); take a fresh copy, or {next_step}."
        ) from e
    with archive:
        yield Archive(where, archive, next_step)
