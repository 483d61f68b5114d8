"""Facts about a dataset that `harness data verify` prints, so that a copy can be trusted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.data.duplicates import equal_images, shared
from harness.data.known import KNOWN
from harness.data.lake_runs import LakeRuns, find_lake_runs, read_lake_runs
from harness.data.omniglot import build_omniglot
from harness.data.omniglot_classes import SIDE
from harness.data.omniglot_decode import resize
from harness.data.omniglot_source import find_omniglot
from harness.data.picture import pillow
from harness.data.splits import CLASS_SPLITS, class_split
from harness.data.store import ImageStore, store_digest
from harness.errors import DataNotAtHand, HarnessError


def check_source(store: ImageStore, resize_filter: str) -> Iterator[str]:
    """Read every original drawing again, without the cache; yield lines on where and what they are.

    Raises HarnessError for whatever is wrong with the files, where their pixels are not those of
    the known copy, and where they do not give the packed drawings of `store`. Lake's runs are
    looked at if they are there.
    """
    source = find_omniglot()
    originals = build_omniglot(source, SIDE, "nearest")
    where = source.located().where
    refuse_other_pixels(originals, where)
    refuse_other_pack(store, _resized(originals, store.image_shape[-1], resize_filter), where)
    yield f"{where}: the known drawings, sha256 {originals.source_digest}"
    try:
        yield check_runs(read_lake_runs(SIDE, "nearest"), originals)
    except DataNotAtHand as e:
        yield str(e)


def refuse_other_pixels(fresh: ImageStore, where: str) -> None:
    """Raise HarnessError where the pixels of a lossless dataset are not those of the known copy."""
    known = KNOWN[fresh.dataset]
    if known.lossless and fresh.source_digest != known.digest:
        raise HarnessError(
            f"{where}: found other pixels than those of the known copy (sha256 "
            f"{fresh.source_digest[:12]}, wanted {known.digest[:12]}); take a fresh copy."
        )


def refuse_other_pack(store: ImageStore, digest: str, where: str) -> None:
    """Raise HarnessError where the packed images are not what the files in `where` give."""
    if digest != store.digest:
        raise HarnessError(
            f"the packed {store.dataset} holds other images than {where} (digest "
            f"{store.digest[:12]}, wanted {digest[:12]}); delete its file in the cache "
            "(`harness data list` says where) and run this again."
        )


def _resized(originals: ImageStore, size: int, resize_filter: str) -> str:
    """Return the digest of a store of the `originals` at another size."""
    image = pillow().fromarray
    flat = (255 - originals.images).reshape(-1, SIDE, SIDE)
    small = np.stack([resize(image(drawing), size, resize_filter) for drawing in flat])
    shape = (*originals.images.shape[:2], size, size)
    return store_digest(small.reshape(shape), originals.class_names, originals.part)


def check_runs(runs: LakeRuns, originals: ImageStore) -> str:
    """Find every drawing of Lake's runs among the `originals`; return a line on what they are.

    Raises HarnessError where one is not there or is paired with another character, where a run
    leaves its alphabet, or where it shows a background character.
    """
    where = {
        drawing.tobytes(): (originals.class_names[c], bool(originals.part[c]))
        for c, drawings in enumerate(originals.images)
        for drawing in drawings
    }
    alphabets: list[str] = []
    for run, (support, query, label) in enumerate(
        zip(runs.support, runs.query, runs.label, strict=True), start=1
    ):
        shown = [where.get(drawing.tobytes(), ("none", True)) for drawing in support]
        asked = [where.get(drawing.tobytes(), ("none", True)) for drawing in query]
        of_run = {name.split("/")[0] for name, _ in shown}
        background = any(part for _, part in shown + asked)
        if len(of_run) != 1 or background or [shown[i] for i in label] != asked:
            raise HarnessError(
                f"run{run:02d} of {find_lake_runs()} is not of the evaluation characters of one "
                "alphabet, each paired with its own; take a fresh copy of all_runs.zip."
            )
        alphabets += of_run
    return (
        f"{find_lake_runs()}: {len(alphabets)} runs, each within one of {len(set(alphabets))} "
        f"evaluation alphabets, all drawings Omniglot's, sha256 {runs.source_digest}"
    )


def facts(store: ImageStore, split_seed: int) -> Iterator[str]:
    """Yield lines: counts, digest, pixel statistics, split sizes, duplicates across splits."""
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
    """Yield two lines; HarnessError where the packed pixels are not what their digest says."""
    classes, of_each = store.images.shape[:2]
    channels, height, width = store.image_shape
    depth = f", {channels} channels" if channels > 1 else ""
    yield f"{classes} classes, {of_each} images each, {height} x {width} pixels{depth}"
    store.check()
    yield f"store digest (sha256) {store.digest}"
