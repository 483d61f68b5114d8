"""Alphabets and drawers for verification: 30 / 10 / 10 alphabets, 12 / 4 / 4 drawers of each.

Koch et al. (2015, section 4.2) part Omniglot in this way; their test alphabets and drawers are
those of Lake's one-shot runs. They do not say which of the other 40 alphabets are for validation:
here these are the ten of the evaluation part that the runs leave over, so that training is on the
background part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.data.lake_runs import RUN_DRAWERS
from harness.data.store import ImageStore

TRAIN_DRAWERS, HELD_OUT_DRAWERS = 12, 4


@dataclass(frozen=True, eq=False)
class AlphabetDrawings:
    """Drawings of A alphabets by D drawers each. `first` [A] int64 is the class index of an
    alphabet's first character in the store (the others follow), `characters` [A] how many it has,
    `drawers` [A, D] the indices of its drawers."""

    names: tuple[str, ...]
    first: np.ndarray
    characters: np.ndarray
    drawers: np.ndarray


def verification_split(store: ImageStore) -> dict[str, AlphabetDrawings]:
    """Return the drawings for 'train', 'val' and 'test' of Omniglot or glyphs."""
    alphabet = [name.split("/")[0] for name in store.class_names]
    names, first, counts = np.unique(alphabet, return_index=True, return_counts=True)
    background = store.part[first] == 1
    if store.synthetic:
        # Of the generated alphabets the last of the background is for validation.
        test = ~background
        val = np.zeros_like(test)
        val[np.flatnonzero(background)[-1]] = True
    else:
        test = np.isin(names, list(RUN_DRAWERS))
        val = ~background & ~test

    def drawings(chosen: np.ndarray, drawers: range) -> AlphabetDrawings:
        kept = tuple(str(name) for name in names[chosen])
        of_runs = not store.synthetic and chosen is test
        of_each = [RUN_DRAWERS[name] if of_runs else drawers for name in kept]
        return AlphabetDrawings(kept, first[chosen], counts[chosen], np.array(of_each, np.int64))

    last = TRAIN_DRAWERS + HELD_OUT_DRAWERS
    return {
        "train": drawings(~val & ~test, range(TRAIN_DRAWERS)),
        "val": drawings(val, range(TRAIN_DRAWERS, last)),
        "test": drawings(test, range(last, last + HELD_OUT_DRAWERS)),
    }
