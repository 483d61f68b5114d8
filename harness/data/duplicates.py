"""Finds images that are equal pixel for pixel, and where in a split they stand."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass

import numpy as np

from harness.data.splits import ClassSplit
from harness.data.store import ImageStore

SHOWN = 5


@dataclass(frozen=True)
class Equal:
    """Two or more equal images: `images` [n, 2] holds (class, index in the class) of each."""

    images: np.ndarray

    @property
    def classes(self) -> np.ndarray:
        """Return the class of each of them."""
        classes: np.ndarray = self.images[:, 0]
        return classes


def equal_images(store: ImageStore) -> list[Equal]:
    """Return each image that occurs more than once at this size, with all its places."""
    flat = store.images.reshape(-1, store.images[0, 0].size)
    # Compared by digest: sorting whole images would need several times their memory.
    digests = b"".join(hashlib.blake2b(row.data, digest_size=16).digest() for row in flat)
    key = np.frombuffer(digests, np.dtype((np.void, 16)))
    _, group, counts = np.unique(key, return_inverse=True, return_counts=True)
    repeated = np.flatnonzero(counts[group] > 1)
    order = repeated[np.argsort(group[repeated], kind="stable")]
    cuts = np.flatnonzero(np.diff(group[order])) + 1
    places = np.stack(np.divmod(order, store.images_per_class), 1)
    return [Equal(p) for p in np.split(places, cuts) if len(p)]


def shared(groups: list[Equal], split: ClassSplit) -> int:
    """Count the test images that equal an image of train or val."""
    test = [np.isin(g.classes, split.test) for g in groups]
    return int(sum(t.sum() for t in test if not t.all()))


def kinds(groups: list[Equal], split: ClassSplit) -> Counter[str]:
    """Count the groups by where their images stand.

    'one train class', 'two or more train classes' (and so for val, test) or 'train and test' (and
    so on), the last of which means a leak.
    """
    counts: Counter[str] = Counter()
    for group in groups:
        parts = [
            p for p in ("train", "val", "test") if np.isin(group.classes, split.classes(p)).any()
        ]
        if len(parts) > 1:
            counts[" and ".join(parts)] += 1
        else:
            one = len(np.unique(group.classes)) == 1
            counts[f"one {parts[0]} class" if one else f"two or more {parts[0]} classes"] += 1
    return counts


def describe(group: Equal, store: ImageStore) -> str:
    """Name the images of a group: class and number in the class, counted from 1."""
    return " = ".join(f"{store.class_names[c]} {i + 1}" for c, i in group.images)
