"""Facts about a dataset that `harness data verify` prints, so that a copy can be trusted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.data.omniglot import SOURCE_DIGEST, build_omniglot
from harness.data.omniglot_classes import SIDE
from harness.data.sources import find_omniglot
from harness.data.splits import CLASS_SPLITS, ClassSplit, class_split
from harness.data.store import ImageStore
from harness.errors import HarnessError


def check_source() -> str:
    """Read every original drawing anew, past the cache; give a line on where and what.

    Raises HarnessError for whatever is wrong with the files, or where their pixels are not those
    of the copy that `SOURCE_DIGEST` was taken from.
    """
    source = find_omniglot()
    found = build_omniglot(source, SIDE, "nearest").source_digest
    if found != SOURCE_DIGEST:
        raise HarnessError(
            f"{source.background} and {source.evaluation} hold other pixels than the known "
            f"copy (sha256 {found[:12]}, wanted {SOURCE_DIGEST[:12]}); take a fresh copy."
        )
    return f"{source.background} and {source.evaluation}: the known drawings, sha256 {found}"


def facts(store: ImageStore, split_seed: int) -> Iterator[str]:
    """Give lines: counts, digest, pixel statistics, split sizes, duplicates across splits."""
    classes, of_each, size, _ = store.images.shape
    yield f"{classes} classes, {of_each} images each, {size} x {size} pixels"
    yield f"store digest (sha256) {store.digest}"
    ink = store.images / np.float32(255)
    mean, std = ink.mean(dtype=np.float64), ink.std(dtype=np.float64)
    yield f"mean {mean:.4f} (ink one) or {1 - mean:.4f} (ink zero), standard deviation {std:.4f}"
    groups = equal_images(store)
    yield f"{sum(len(np.unique(g)) > 1 for g in groups)} images stand in two or more classes"
    for name in CLASS_SPLITS:
        split = class_split(name, store, split_seed)
        yield (
            f"{name}: train {len(split.train)}, val {len(split.val)}, "
            f"trainval {len(split.trainval)}, test {len(split.test)}; "
            f"{shared(groups, split)} test images also in trainval"
        )


def equal_images(store: ImageStore) -> list[np.ndarray]:
    """Give, for each image that occurs more than once at this size, the classes it occurs in."""
    flat = np.ascontiguousarray(store.images.reshape(-1, store.images[0, 0].size))
    key = flat.view(np.dtype((np.void, flat.shape[1]))).ravel()
    _, group, counts = np.unique(key, return_inverse=True, return_counts=True)
    repeated = np.flatnonzero(counts[group] > 1)
    order = repeated[np.argsort(group[repeated], kind="stable")]
    cuts = np.flatnonzero(np.diff(group[order])) + 1
    return [g // store.images_per_class for g in np.split(order, cuts) if len(g)]


def shared(groups: list[np.ndarray], split: ClassSplit) -> int:
    """Count the test images that equal an image of train or val."""
    test = [np.isin(g, split.test) for g in groups]
    return int(sum(t.sum() for t in test if not t.all()))
