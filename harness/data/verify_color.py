"""What `harness data verify` says about a colour dataset."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.data.color_store import COLOR_SETS, build_color
from harness.data.duplicates import SHOWN, describe, equal_images, kinds, shared
from harness.data.known import KNOWN
from harness.data.splits import dataset_split
from harness.data.store import ImageStore, train_statistics
from harness.data.verify_omniglot import counts_and_digest, refuse_other_pack, refuse_other_pixels
from harness.errors import HarnessError


def check_color(store: ImageStore, resize_filter: str) -> Iterator[str]:
    """Read every image again, without the cache; yield lines on where and what they are.

    Raises HarnessError for whatever is wrong with the files; where they do not give the packed
    images; and where a lossless set has other pixels than the known copy.
    """
    source = COLOR_SETS[store.dataset].source()
    fresh = build_color(store.dataset, source, store.image_shape[-1], resize_filter)
    refuse_other_pixels(fresh, source.where)
    refuse_other_pack(store, fresh.digest, source.where)
    known = KNOWN[store.dataset]
    same = fresh.source_digest == known.digest
    which = "the known images" if same else "not the copy known here: resized or packed by others"
    yield f"{source.where}: {which}, sha256 {fresh.source_digest}"
    if known.names:
        yield (
            "file names: those of Ravi and Larochelle's lists"
            if fresh.names_digest == known.names
            else "file names: NOT those of Ravi and Larochelle's lists, so perhaps other images"
        )
    if fresh.data_note:
        yield f"runs on them get no verdict: {fresh.data_note}"


def color_facts(store: ImageStore) -> Iterator[str]:
    """Yield lines: counts, digest, statistics of the training images, split sizes, duplicates."""
    yield from counts_and_digest(store)
    statistics = train_statistics(store.images, store.part)
    if statistics != store.train_statistics:
        raise HarnessError(
            f"the packed {store.dataset} records channel statistics {store.train_statistics}, "
            f"wanted {statistics}; delete its file in the cache and run this again."
        )
    mean, sd = (
        " ".join(f"{x:.6f}" for x in numbers) for numbers in (statistics.mean, statistics.sd)
    )
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
