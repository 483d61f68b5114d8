"""What `harness data verify` says about a colour dataset."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.data.color_source import ImageFiles
from harness.data.color_store import COLOR_SETS, build_color
from harness.data.duplicates import SHOWN, describe, equal_images, kinds, shared
from harness.data.mini_imagenet import NAMES_DIGEST, names_digest
from harness.data.splits import dataset_split
from harness.data.store import ImageStore, train_statistics
from harness.data.verify import counts_and_digest
from harness.errors import HarnessError


def check_color(store: ImageStore, resize_filter: str) -> Iterator[str]:
    """Read every image anew, past the cache; give lines on where and what.

    Raises HarnessError for whatever is wrong with the files; where they do not give the packed
    images; and where a lossless set has other pixels than the known copy.
    """
    kind = COLOR_SETS[store.dataset]
    source = kind.source()
    fresh = build_color(store.dataset, source, store.image_shape[-1], resize_filter)
    known = fresh.source_digest == kind.known_digest
    if kind.lossless and not known:
        raise HarnessError(
            f"{source.where} holds other pixels than the known copy (sha256 "
            f"{fresh.source_digest[:12]}, wanted {kind.known_digest[:12]}); take a fresh copy."
        )
    which = "the known images" if known else "not the copy known here: resized or packed by others"
    yield f"{source.where}: {which}, sha256 {fresh.source_digest}"
    if store.dataset == "mini-imagenet" and isinstance(source, ImageFiles):
        same = names_digest(source) == NAMES_DIGEST
        yield (
            "file names: those of Ravi and Larochelle's lists"
            if same
            else "file names: NOT those of Ravi and Larochelle's lists, so perhaps other images"
        )
    if fresh.digest != store.digest:
        raise HarnessError(
            f"the packed {store.dataset} holds other images than {source.where} (digest "
            f"{store.digest[:12]}, wanted {fresh.digest[:12]}); delete its file in the cache "
            "(`harness data list` says where) and run this again."
        )


def color_facts(store: ImageStore) -> Iterator[str]:
    """Give lines: counts, digest, statistics of the training images, split sizes, duplicates."""
    yield from counts_and_digest(store)
    found = train_statistics(store.images, store.part)
    if found != store.train_statistics:
        raise HarnessError(
            f"the packed {store.dataset} records channel statistics {store.train_statistics}, "
            f"wanted {found}; delete its file in the cache and run this again."
        )
    mean, sd = (" ".join(f"{x:.6f}" for x in numbers) for numbers in (found.mean, found.sd))
    yield f"training images, by channel: mean {mean}, standard deviation {sd}"
    split = dataset_split(store)
    yield f"train {len(split.train)}, val {len(split.val)}, test {len(split.test)} classes"
    groups = equal_images(store)
    copies = sum(len(g.images) for g in groups)
    yield f"{len(groups)} images occur more than once ({copies} places)"
    for where, count in sorted(kinds(groups, split).items()):
        yield f"  {count} in {where}"
    yield f"{shared(groups, split)} test images also in train or val"
    across = [g for g in groups if len(np.unique(store.part[g.classes])) > 1]
    for group in across[:SHOWN]:
        yield f"  {describe(group, store)}"
    if len(across) > SHOWN:
        yield f"  and {len(across) - SHOWN} more"
