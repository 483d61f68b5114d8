"""`harness data`: list, verify and fetch image datasets."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from harness.cli.numbers import whole
from harness.data.cache_file import SUFFIX, packed_from
from harness.data.datasets import DATASETS, GENERATED, known_dataset, unwarned_store
from harness.data.decode_color import COLOR_RESIZE_FILTERS
from harness.data.entries import entries
from harness.data.paths import bad_folders, cache_folder, without_bad_folders
from harness.data.store import ImageStore
from harness.errors import HarnessError

SUMMARY = "List, verify or fetch image datasets."
EXAMPLES = (
    "harness data list",
    "harness data verify glyphs",
    "harness data verify textures",
    "harness data verify omniglot --image-size 28 --resize-filter nearest",
    "harness data fetch omniglot",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the three actions and their options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="datasets, and where they were found")
    verify = actions.add_parser("verify", help="read every image; print counts, digests, splits")
    verify.add_argument("name", metavar="NAME", help=", ".join(DATASETS))
    size = "default: as in most papers, 28 for omniglot, 84 for mini-imagenet, 32 for CIFAR"
    verify.add_argument("--image-size", type=whole(8, 512), metavar="PIXELS", help=size)
    verify.add_argument("--resize-filter", choices=COLOR_RESIZE_FILTERS)
    seed = whole(0, 2**63 - 1)
    verify.add_argument("--split-seed", type=seed, default=0, metavar="SEED")
    fetch = actions.add_parser("fetch", help="download a dataset into the cache")
    fetch.add_argument("name", metavar="NAME", help="omniglot, cifar-fs, fc100")


def main(arguments: argparse.Namespace) -> int:
    """Do one action; HarnessError is printed by the entry point."""
    if arguments.action == "list":
        _list()
    elif arguments.action == "verify":
        kind = known_dataset(arguments.name)
        size = kind.image_size if arguments.image_size is None else arguments.image_size
        resize_filter = arguments.resize_filter or kind.resize_filter
        if arguments.name not in GENERATED:
            _found(arguments.name)  # a pack whose files are gone cannot be held to them
        store = unwarned_store(arguments.name, size, resize_filter)
        for line in _verify(store, resize_filter, arguments.split_seed):
            print(line, flush=True)  # the next line may take a while
    else:
        from harness.data.fetch import fetch

        print(f"{arguments.name} is in {fetch(arguments.name)}")
    return 0


def _verify(store: ImageStore, resize_filter: str, split_seed: int) -> Iterator[str]:
    from harness.data import verify_color, verify_omniglot

    if DATASETS[store.dataset].color:
        if not store.synthetic:
            yield from verify_color.check_color(store, resize_filter)
        yield from verify_color.color_facts(store)
    else:
        if not store.synthetic:
            yield from verify_omniglot.check_source(store, resize_filter)
        yield from verify_omniglot.facts(store, split_seed)


def _list() -> None:
    """Print which data are where; a folder that cannot be read is named and the others are
    listed."""
    for fault in bad_folders():
        print(f"harness: {fault}", file=sys.stderr)
    with without_bad_folders():
        for name, dataset in DATASETS.items():
            print(f"{name}: {dataset.title}")
            for line in _where(name):
                print(f"  {line}")


def _where(name: str) -> Iterator[str]:
    if name in GENERATED:
        yield "generated"
        return
    try:
        yield f"found {_found(name)}"
    except HarnessError as e:
        yield str(e)
    try:
        packed = [p for p in entries(cache_folder() / "stores") if p.suffix == SUFFIX]
    except HarnessError:  # there is no cache, or none that can be read
        return
    for path in (p for p in packed if p.name.startswith(f"{name}-")):
        yield f"packed {path}{packed_from(path)}"


def _found(name: str) -> str:
    if name == "omniglot":
        from harness.data.omniglot_source import find_omniglot

        return find_omniglot().located().where
    from harness.data.color_store import COLOR_SETS

    return COLOR_SETS[name].source().where
