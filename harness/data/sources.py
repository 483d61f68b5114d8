"""Finds Omniglot on disk and reads its PNG files, from the zips or from an unpacked tree.

Accepted, below a folder of HARNESS_DATA or the cache folder, directly or in `omniglot/` or
`omniglot-py/` (torchvision's name): `images_background.zip` and `images_evaluation.zip`, or folders
`images_background/` and `images_evaluation/`. PNGs are read straight from the zips; nothing is
ever extracted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from harness.data.archive import Archive, open_archive
from harness.data.omniglot_classes import DRAWINGS, omniglot_classes
from harness.data.paths import places
from harness.errors import DataNotAtHand, HarnessError

PARTS = ("images_background", "images_evaluation")
NEXT = "set HARNESS_DATA or run `harness data fetch omniglot`"
_DRAWING = re.compile(r"(?:^|/)(images_\w+)/([^/]+/character\d+)/([^/.][^/]*\.png)$")


@dataclass(frozen=True)
class OmniglotSource:
    """Where the two parts are: each a zip or a folder."""

    background: Path
    evaluation: Path


def find_omniglot() -> OmniglotSource:
    """Give the first place that holds both parts; HarnessError where there is none."""
    half: Path | None = None
    for folder in places("omniglot", "omniglot-py", "omniglot/omniglot-py", ""):
        found = [p for name in PARTS if (p := _part(folder, name)) is not None]
        if len(found) == 2:
            return OmniglotSource(found[0], found[1])
        half = half or (found[0] if found else None)
    if half:
        raise HarnessError(
            f"found only {half}, wanted both {PARTS[0]} and {PARTS[1]} (zip or folder); {NEXT}."
        )
    raise DataNotAtHand(f"found no Omniglot images; {NEXT}.")


def read_drawings(source: OmniglotSource) -> Iterator[tuple[str, list[bytes]]]:
    """Give (class name, its 20 PNG files in drawer order) for all 1,623 classes, sorted by name.

    Every class and count is checked before the first one is given. Raises HarnessError for a
    corrupt zip, a member that points outside, a missing or unknown class, a wrong count.
    """
    with ExitStack() as stack:
        readers = {
            True: _open(stack, source.background, PARTS[0]),
            False: _open(stack, source.evaluation, PARTS[1]),
        }
        _check(readers)
        for c in omniglot_classes():
            reader = readers[c.background]
            yield c.name, [reader.read(member) for member in reader.members[c.name]]


class _Reader:
    """Members of one part by class name, in drawer order."""

    def __init__(self, where: Path, part: str, names: list[str]) -> None:
        self.where = where
        found: dict[str, list[tuple[str, str]]] = {}
        for name in names:
            match = _DRAWING.search(name)
            if match and match[1] == part:
                found.setdefault(match[2], []).append((match[3], name))
        self.members = {c: [name for _, name in sorted(files)] for c, files in found.items()}

    def read(self, member: str) -> bytes:
        raise NotImplementedError


class _Tree(_Reader):
    def __init__(self, where: Path, part: str) -> None:
        # Only the two levels that matter are walked, so that a stray folder costs nothing.
        names = [f"{part}/{p.relative_to(where).as_posix()}" for p in where.glob("*/*/*.png")]
        super().__init__(where, part, names)

    def read(self, member: str) -> bytes:
        path = self.where / member.split("/", 1)[1]
        try:
            return path.read_bytes()
        except OSError as e:
            raise HarnessError(f"{path} cannot be read ({e.strerror}); {NEXT}.") from e


class _Zip(_Reader):
    def __init__(self, where: Path, part: str, archive: Archive) -> None:
        self.archive = archive
        super().__init__(where, part, archive.names)

    def read(self, member: str) -> bytes:
        return self.archive.read(member)


def _part(folder: Path, name: str) -> Path | None:
    # The zip first: an unpacked tree beside it may be a half-finished one.
    if (archive := folder / f"{name}.zip").is_file():
        return archive
    return tree if (tree := folder / name).is_dir() else None


def _open(stack: ExitStack, where: Path, part: str) -> _Reader:
    if where.is_dir():
        return _Tree(where, part)
    return _Zip(where, part, stack.enter_context(open_archive(where, NEXT)))


def _check(readers: dict[bool, _Reader]) -> None:
    wanted = {c.name: c.background for c in omniglot_classes()}
    for background, reader in readers.items():
        here = {name for name, part in wanted.items() if part == background}
        if missing := sorted(here - reader.members.keys()):
            raise HarnessError(
                f"{reader.where}: class {missing[0]} is missing (found "
                f"{len(here) - len(missing)} of {len(here)} classes); take a fresh copy, or {NEXT}."
            )
        if unknown := sorted(reader.members.keys() - here):
            raise HarnessError(
                f"{reader.where}: found class {unknown[0]}, which Omniglot does not have in "
                f"{PARTS[not background]}; wanted the {len(here)} original classes."
            )
        for name, members in sorted(reader.members.items()):
            if len(members) != DRAWINGS:
                raise HarnessError(
                    f"{reader.where}: class {name} has {len(members)} drawings, "
                    f"wanted {DRAWINGS}; take a fresh copy, or {NEXT}."
                )
