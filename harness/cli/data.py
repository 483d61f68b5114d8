"""`harness data`: list, verify and fetch image datasets."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from harness.data.datasets import DATASETS, load_store
from harness.data.decode import RESIZE_FILTERS
from harness.data.paths import cache_folder
from harness.data.sources import find_omniglot
from harness.errors import HarnessError

SUMMARY = "List, verify or fetch image datasets."
EXAMPLES = (
    "harness data list",
    "harness data verify glyphs",
    "harness data verify omniglot --image-size 28 --resize-filter nearest",
    "harness data fetch omniglot",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the three actions and their options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="datasets, and where they were found")
    verify = actions.add_parser("verify", help="read every image; print counts, digests, splits")
    verify.add_argument("name", metavar="NAME", help=", ".join(DATASETS))
    verify.add_argument("--image-size", type=int, default=28, metavar="PIXELS")
    verify.add_argument("--resize-filter", choices=RESIZE_FILTERS, default="nearest")
    verify.add_argument("--split-seed", type=int, default=0, metavar="SEED")
    fetch = actions.add_parser("fetch", help="download a dataset into the cache")
    fetch.add_argument("name", metavar="NAME", help="omniglot")


def main(arguments: argparse.Namespace) -> int:
    """Do one action; HarnessError is printed by the entry point."""
    if arguments.action == "list":
        for name, what in DATASETS.items():
            print(f"{name}: {what}")
            for line in _where(name):
                print(f"  {line}")
    elif arguments.action == "verify":
        from harness.data.verify import check_source, facts

        store = load_store(arguments.name, arguments.image_size, arguments.resize_filter)
        if not store.synthetic:
            print(check_source())
        for line in facts(store, arguments.split_seed):
            print(line)
    else:
        from harness.data.fetch import fetch

        print(f"{arguments.name} is in {fetch(arguments.name)}")
    return 0


def _where(name: str) -> Iterator[str]:
    if name == "glyphs":
        yield "generated"
        return
    try:
        source = find_omniglot()
        yield f"found {source.background} and {source.evaluation}"
    except HarnessError as e:
        yield str(e)
    for path in sorted((cache_folder() / "stores").glob(f"{name}-*.safetensors")):
        yield f"packed {path}"
