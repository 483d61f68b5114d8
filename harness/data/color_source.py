"""What a source of colour images is, and the checks of classes and counts that all share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harness.data.decode_color import decode_color
from harness.data.entries import read_plain
from harness.errors import HarnessError

MOST_BYTES = 64_000_000
"""Of one image file; the largest of ImageNet have about 15 million."""


class ColorSource(Protocol):
    """Where the images of a dataset are, classes and counts already checked."""

    @property
    def where(self) -> str:
        """Return the place, for messages."""

    def images(self, name: str) -> Iterator[tuple[str, Any]]:
        """Yield (what messages call it, Pillow image of mode "RGB") for each image of a class.

        Always in the same order, whatever layout the images come in. Called from several threads.
        """


@dataclass(frozen=True)
class ImageFiles:
    """A source whose images are single files: `files` has their paths by class, in order."""

    folder: Path
    files: Mapping[str, Sequence[Path]]

    @property
    def where(self) -> str:
        """Return the folder."""
        return str(self.folder)

    def images(self, name: str) -> Iterator[tuple[str, Any]]:
        """Read and decode the files of a class."""
        for path in self.files[name]:
            yield str(path), decode_color(read_plain(path, MOST_BYTES), str(path))


def check_classes(
    where: str, present: set[str], wanted: set[str], whose: str, next_step: str
) -> None:
    """Raise HarnessError unless `found` are the `wanted` classes of `whose` dataset.

    A class that does not belong comes first: it says that this is another dataset.
    """
    if unknown := sorted(present - wanted):
        raise HarnessError(
            f"{where}: found class {unknown[0]}, which {whose} does not have "
            f"({len(present & wanted)} of its {len(wanted)} classes are here); {next_step}."
        )
    if missing := sorted(wanted - present):
        raise HarnessError(
            f"{where}: class {missing[0]} is missing (found {len(present)} of the {len(wanted)} "
            f"classes of {whose}); {next_step}."
        )


def check_counts(where: str, counts: Mapping[str, int], wanted: int, next_step: str) -> None:
    """Raise HarnessError unless every class has `wanted` images."""
    for name, count in sorted(counts.items()):
        if count != wanted:
            raise HarnessError(
                f"{where}: class {name} has {count} images, wanted {wanted} "
                f"(in all {sum(counts.values()):,}, wanted {wanted * len(counts):,}); {next_step}."
            )
