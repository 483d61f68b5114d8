"""Reads members of zip archives that may be damaged or hostile; nothing is ever extracted."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath

from harness.errors import HarnessError

MOST_BYTES = 1 << 20  # of one member; the real ones have a few hundred


class Archive:
    """An open zip. `next_step` is what messages tell the user to do."""

    def __init__(self, where: Path, archive: zipfile.ZipFile, next_step: str) -> None:
        self.where, self.next_step = where, next_step
        self._archive = archive
        self.names = archive.namelist()
        for name in self.names:
            windows = PureWindowsPath(name)
            if windows.drive or windows.root or ".." in windows.parts:
                raise HarnessError(
                    f"{where} has a member {name!r} that points outside the archive; "
                    "wanted the original Omniglot zip, so take a fresh copy."
                )

    def read(self, member: str) -> bytes:
        """Give the content of `member`, which is one of `names`; HarnessError where it is bad."""
        if self._archive.getinfo(member).file_size > MOST_BYTES:
            raise HarnessError(
                f"{self.where}: {member} is larger than {MOST_BYTES} bytes, wanted a small file; "
                "take a fresh copy."
            )
        try:
            return self._archive.read(member)
        # RuntimeError: encrypted; NotImplementedError: unknown compression.
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as e:
            raise HarnessError(
                f"{self.where} is corrupt at {member} ({e}); "
                f"take a fresh copy, or {self.next_step}."
            ) from e


@contextmanager
def open_archive(where: Path, next_step: str) -> Iterator[Archive]:
    """Open the zip at `where`; HarnessError where it is none, or a member points outside."""
    try:
        archive = zipfile.ZipFile(where)
    except (zipfile.BadZipFile, OSError) as e:
        raise HarnessError(
            f"{where} is not a readable zip ({e}); take a fresh copy, or {next_step}."
        ) from e
    with archive:
        yield Archive(where, archive, next_step)
