"""Draws pairs of drawings, and within-alphabet one-shot runs, by array operations.

Drawings are given as rows: class index in the store times images of a class, plus the drawer.
"""

from __future__ import annotations

import numpy as np

from harness.data.lake_runs import WAYS
from replications.siamese.verification_split import AlphabetDrawings


def draw_pairs(
    part: AlphabetDrawings,
    tasks: np.ndarray,
    images_per_class: int,
    within_alphabet: bool,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Draw a pair for each of T task numbers: `first`, `second` [T] int32 rows, `same` [T] bool.

    Alphabets come in turn, so that each is there as often, and of each in turn one character by two
    drawers or two characters by any two drawers.
    """
    alphabets, drawers = part.drawers.shape
    a = tasks % alphabets
    same = tasks // alphabets % 2 == 0
    u = rng.random((5, len(tasks)))
    every = np.concatenate(
        [np.arange(f, f + n) for f, n in zip(part.first, part.characters, strict=True)]
    )
    character = (u[0] * part.characters[a]).astype(np.int64)
    one = part.first[a] + character
    if within_alphabet:
        step = 1 + (u[1] * (part.characters[a] - 1)).astype(np.int64)
        other = part.first[a] + (character + step) % part.characters[a]
    else:
        step = 1 + (u[1] * (len(every) - 1)).astype(np.int64)
        other = every[(np.searchsorted(every, one) + step) % len(every)]
    alphabet_of_other = np.searchsorted(part.first, other, side="right") - 1
    drawer = (u[2] * drawers).astype(np.int64)
    another = (drawer + 1 + (u[3] * (drawers - 1)).astype(np.int64)) % drawers
    anyone = (u[4] * drawers).astype(np.int64)
    second = np.where(
        same,
        one * images_per_class + part.drawers[a, another],
        other * images_per_class + part.drawers[alphabet_of_other, anyone],
    )
    first = one * images_per_class + part.drawers[a, drawer]
    return {"first": first.astype(np.int32), "second": second.astype(np.int32), "same": same}


def draw_runs(
    part: AlphabetDrawings, tasks: np.ndarray, images_per_class: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Draw a run for each of T task numbers, as Lake's: 20 characters of one alphabet, support by
    one drawer and queries by another.

    `support`, `query` [T, 20] int32 rows; `label` [T, 20] uint8, the place in `support` of the
    character that a query shows. Alphabets of 20 characters or more come in turn.
    """
    enough = np.flatnonzero(part.characters >= WAYS)
    a = enough[tasks % len(enough)]
    drawer = rng.random((len(tasks), part.drawers.shape[1])).argsort(-1)[:, :2]
    uniform = rng.random((len(tasks), int(part.characters.max())))
    # Places beyond an alphabet's last character are sorted behind all others.
    uniform += np.arange(uniform.shape[1]) >= part.characters[a][:, None]
    character = part.first[a][:, None] + uniform.argsort(-1)[:, :WAYS]
    label = rng.random((len(tasks), WAYS)).argsort(-1)
    by = np.take_along_axis(part.drawers[a], drawer, 1)
    query = np.take_along_axis(character, label, 1)
    return {
        "support": (character * images_per_class + by[:, :1]).astype(np.int32),
        "query": (query * images_per_class + by[:, 1:]).astype(np.int32),
        "label": label.astype(np.uint8),
    }
