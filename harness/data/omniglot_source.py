"""Finds Omniglot on disk and reads its PNG files, from the zips or from an unpacked tree.

Accepted, below a folder of HARNESS_DATA or the cache folder, directly or in `omniglot/`,
`omniglot-py/` (torchvision's name) or `omniglot/python/` (a clone of the authors' repository):
`images_background.zip` and `images_evaluation.zip`, or folders `images_background/` and
`images_evaluation/`. PNGs are read straight from the zips; nothing is ever extracted. Zips packed
anew, without their top folder, in small letters or with the backslashes of Windows, are read too.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from harness.data.archive import Members, Tree, open_archive
from harness.data.entries import entries, is_folder, is_plain, some
from harness.data.omniglot_classes import DRAWINGS, omniglot_classes
from harness.data.paths import looked_in, places
from harness.data.stamp import Located
from harness.errors import DataNotAtHand, HarnessError

PARTS = ("images_background", "images_evaluation")
NEXT = "set HARNESS_DATA or run `harness data fetch omniglot`"
_PLACES = ("omniglot", "omniglot-py", "omniglot/omniglot-py", "omniglot/python", "python", "")
_DRAWING = re.compile(r"(?:^|(.*)/)([^/]+/character\d+)/([^/]+\.png)", re.IGNORECASE)


@dataclass(frozen=True)
class OmniglotSource:
    """Where the two parts are: each a zip or a folder."""

    background: Path
    evaluation: Path

    def located(self) -> Located:
        """Return where the files are, for their stamp."""
        return Located(
            f"{self.background} and {self.evaluation}", (self.background, self.evaluation)
        )


def find_omniglot() -> OmniglotSource:
    """Return the first place that holds both parts; HarnessError where there is none."""
    half: Path | None = None
    for folder in places(*_PLACES):
        parts = [p for name in PARTS if (p := _part(folder, name)) is not None]
        if len(parts) == 2:
            return OmniglotSource(parts[0], parts[1])
        half = half or (parts[0] if parts else None)
    if half:
        raise HarnessError(
            f"found only {half}, wanted both {PARTS[0]} and {PARTS[1]} (zip or folder); {NEXT}."
        )
    raise DataNotAtHand(f"found no Omniglot images{looked_in()}; {NEXT}.")


def read_drawings(source: OmniglotSource) -> Iterator[tuple[str, list[bytes]]]:
    """Yield (class name, its 20 PNG files in drawer order) for all 1,623 classes, sorted by name.

    Every class and count is checked before the first one is given. Raises HarnessError for a
    corrupt zip, a member that points outside, a missing or unknown class, a wrong count.
    """
    with ExitStack() as stack:
        readers = {
            True: _Part(_open(stack, source.background), PARTS[0]),
            False: _Part(_open(stack, source.evaluation), PARTS[1]),
        }
        _check(readers)
        for c in omniglot_classes():
            part = readers[c.background]
            yield c.name, [part.files.read(name) for name in part.members[c.name]]


class _Part:
    """Members of one part by class name, in drawer order."""

    def __init__(self, files: Members, part: str) -> None:
        self.files, self.where = files, files.where
        proper = {c.name.casefold(): c.name for c in omniglot_classes()}
        drawings_of: dict[str, list[tuple[str, str]]] = {}
        for name in files.names:
            match = _DRAWING.fullmatch(name)
            if match and all(of in ("", part) for of in _parts_named(match[1] or "")):
                character = proper.get(match[2].casefold(), match[2])
                drawings_of.setdefault(character, []).append((match[3], name))
        self.members = {c: [name for _, name in sorted(named)] for c, named in drawings_of.items()}


def _parts_named(folders: str) -> list[str]:
    """Return which parts of Omniglot the folders above a class name: those of another are no
    data."""
    return [f for f in folders.casefold().split("/") if f.startswith("images_")]


def _part(folder: Path, name: str) -> Path | None:
    """Return the zip or the tree of one part; a zip that is cut off gives way to a tree beside it.

    The zip first: an unpacked tree beside it may be a half-finished one.
    """
    archive, tree = _named(folder, f"{name}.zip"), _named(folder, name)
    tree = tree if tree and is_folder(tree) else None
    if archive is None or not is_plain(archive):
        return tree
    if tree is not None:
        try:
            with open_archive(archive, NEXT):
                pass
        except HarnessError as e:
            print(f"harness: {str(e).split('; ')[0]}; reading {tree} beside it.", file=sys.stderr)
            return tree
    return archive


def _named(folder: Path, name: str) -> Path | None:
    """Return the entry of `folder` with this name, in capitals or not; None where there is none."""
    if is_plain(folder / name) or is_folder(folder / name):
        return folder / name
    inside = entries(folder) if is_folder(folder) else []
    return next((p for p in inside if p.name.casefold() == name), None)


def _open(stack: ExitStack, where: Path) -> Members:
    if is_folder(where):
        # One level more than there are, for `images_background/images_background/`.
        return Tree(where, 3, (".png",))
    return stack.enter_context(open_archive(where, NEXT))


def _check(readers: dict[bool, _Part]) -> None:
    wanted = {c.name: c.background for c in omniglot_classes()}
    for background, reader in readers.items():
        here = {name for name, part in wanted.items() if part == background}
        if not reader.members:
            raise HarnessError(
                f"{reader.where}: found no drawings, but {some(reader.files.names)}; wanted "
                f"{PARTS[not background]}/ALPHABET/characterNN/NNNN_NN.png, so take a fresh copy, "
                f"or {NEXT}."
            )
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
