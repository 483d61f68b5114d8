"""The 1,623 Omniglot characters and their place in Vinyals' split, from `omniglot_classes.csv`.

The file has one line for a run of characters of one alphabet: alphabet, part (background or
evaluation), first and last character number, and the set it is in (train, val, test) in the split
of Vinyals et al. (2016) as it was handed on by github.com/jakesnell/prototypical-networks
(data/omniglot/splits/vinyals, MIT licence). Parts are those of Lake et al. (2015).
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from importlib import resources

DRAWINGS = 20
"""Drawings of each character, one a drawer."""
SIDE = 105
"""Height and width of a drawing in pixels."""


@dataclass(frozen=True)
class OmniglotClass:
    """One character: `name` is `<alphabet>/character<NN>`, as the folders are called."""

    name: str
    background: bool
    vinyals: str

    @property
    def alphabet(self) -> str:
        """Return the alphabet, the first half of the name."""
        return self.name.split("/")[0]


@functools.cache
def omniglot_classes() -> tuple[OmniglotClass, ...]:
    """Return all 1,623 characters sorted by name."""
    text = resources.files("harness.data").joinpath("omniglot_classes.csv").read_text("utf-8")
    classes = [
        OmniglotClass(
            f"{row['alphabet']}/character{number:02d}", row["part"] == "background", row["vinyals"]
        )
        for row in csv.DictReader(text.splitlines())
        for number in range(int(row["first"]), int(row["last"]) + 1)
    ]
    return tuple(sorted(classes, key=lambda c: c.name))
