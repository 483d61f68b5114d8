"""Facts about a dataset that `harness data verify` prints, so that a copy can be trusted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.data.duplicates import equal_images, shared
from harness.data.omniglot import SOURCE_DIGEST, build_omniglot
from harness.data.omniglot_classes import SIDE
from harness.data.sources import find_omniglot
from harness.data.splits import CLASS_SPLITS, class_split
from harness.data.store import ImageStore, store_digest
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
    yield from counts_and_digest(store)
    ink = store.images / np.float32(255)
    mean, std = ink.mean(dtype=np.float64), ink.std(dtype=np.float64)
    yield f"mean {mean:.4f} (ink one) or {1 - mean:.4f} (ink zero), standard deviation {std:.4f}"
    groups = equal_images(store)
    several = sum(len(np.unique(g.classes)) > 1 for g in groups)
    yield f"{several} images stand in two or more classes"
    for name in CLASS_SPLITS:
        split = class_split(name, store, split_seed)
        yield (
            f"{name}: train {len(split.train)}, val {len(split.val)}, "
            f"trainval {len(split.trainval)}, test {len(split.test)}; "
            f"{shared(groups, split)} test images also in trainval"
        )


def counts_and_digest(store: ImageStore) -> Iterator[str]:
    """Give two lines; HarnessError where the packed pixels are not what their digest says."""
    classes, of_each = store.images.shape[:2]
    channels, height, width = store.image_shape
    depth = f", {channels} channels" if channels > 1 else ""
    yield f"{classes} classes, {of_each} images each, {height} x {width} pixels{depth}"
    if store_digest(store.images, store.class_names, store.part) != store.digest:
        raise HarnessError(
            f"the packed {store.dataset} no longer fits its digest {store.digest[:12]}; delete its "
            "file in the cache (`harness data list` says where) and run this again."
        )
    yield f"store digest (sha256) {store.digest}"
