"""`harness compare`: the published numbers and ours, with verdicts."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.folders import RESULTS, folder
from harness.errors import HarnessError
from harness.places import results_folder

if TYPE_CHECKING:
    from harness.compare.rows import Collection

SUMMARY = "compare records with the published numbers"
EXAMPLES = (
    "harness compare",
    "harness compare maml --format md",
    "harness compare maml --paired",
    "harness compare es_maml --orderings",
    "harness compare --across",
    "harness compare maml protonet --across --paired --format csv",
    "harness compare --context --format json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("cells", metavar="CELL", nargs="*", help="paper or paper/cell (none = all)")
    parser.add_argument(
        "--format", choices=("table", "json", "md", "latex", "csv"), default="table"
    )
    parser.add_argument("--results", metavar="DIR", type=folder, help=RESULTS)
    parser.add_argument(
        "--context", action="store_true", help="also published lines that no variant answers to"
    )
    parser.add_argument(
        "--paired", action="store_true", help="compare variants with each other, task by task"
    )
    parser.add_argument(
        "--orderings",
        action="store_true",
        help="only what figures show without a number: which variant is better, tested over seeds",
    )
    parser.add_argument(
        "--across",
        action="store_true",
        help="methods of all papers beside each other, by dataset, ways and shots: accuracies, "
        "costs, paired differences (with --paired: only these)",
    )
    parser.add_argument(
        "--plots",
        metavar="DIR",
        type=folder,
        help="also draw plots, as SVG; with --update-readmes those that the pages show",
    )
    readmes = parser.add_mutually_exclusive_group()
    readmes.add_argument(
        "--update-readmes", action="store_true", help="write the tables into the README files"
    )
    readmes.add_argument(
        "--check-readmes", action="store_true", help="exit with 1 if a README has an old table"
    )


def main(arguments: argparse.Namespace) -> int:
    """Print the table on stdout; what else was written, on stderr."""
    from harness.compare.rows import collect

    results = results_folder(arguments.results)
    if arguments.results is not None and not results.is_dir():
        raise HarnessError(f"--results: found no folder {results}, wanted the one with records.")
    if arguments.check_readmes:
        return _check_readmes(results)
    collection = collect(results, arguments.cells, context=arguments.context or arguments.across)
    for sentence in collection.left_out:
        print(f"harness: {sentence}", file=sys.stderr)
    if arguments.update_readmes:
        _update_readmes(results)
    print(f"harness: records in {results}", file=sys.stderr)
    if not arguments.update_readmes:
        sys.stdout.write(_text(collection, results, arguments))
    if arguments.plots is not None:
        for path in _plots(collection, results, arguments):
            print(f"wrote {path}", file=sys.stderr)
    return 0


def _text(collection: Collection, results: Path, arguments: argparse.Namespace) -> str:
    from harness.compare.across import across_rows
    from harness.compare.across_pairs import across_pairs
    from harness.compare.orderings import ordering_rows
    from harness.compare.paired import paired_rows
    from harness.report.render import (
        render_across,
        render_across_pairs,
        render_orderings,
        render_paired,
        render_rows,
    )

    form = arguments.format
    if arguments.across and arguments.paired:
        return render_across_pairs(across_pairs(collection), form)
    if arguments.across:
        rows = across_rows(collection, results)
        if not rows:
            print(
                "harness: found no accuracy in these cells, wanted some to set side by side: leave "
                "--across out, or name other cells (`harness list`).",
                file=sys.stderr,
            )
        return render_across(rows, across_pairs(collection), form)
    if arguments.paired:
        return render_paired(paired_rows(collection), form)
    if arguments.orderings:
        return render_orderings(ordering_rows(collection), form)
    return render_rows(collection.rows, form, ordering_rows(collection))


def _plots(collection: Collection, results: Path, arguments: argparse.Namespace) -> list[Path]:
    from harness.catalog import replications_folder
    from harness.compare.across import across_rows
    from harness.report.across_plot import plot_across
    from harness.report.plots import write_plots
    from harness.report.shown_plots import every_plot, shown_on_pages

    folder, root = arguments.plots, replications_folder().parent
    wanted = shown_on_pages(root) if arguments.update_readmes else every_plot
    across = plot_across(across_rows(collection, results), folder, wanted)
    return across if arguments.across else [*write_plots(collection, folder, wanted), *across]


def _update_readmes(results: Path) -> None:
    from harness.catalog import replications_folder
    from harness.report.markers import update_markers

    for name in update_markers(replications_folder().parent, results):
        print(f"wrote {name}", file=sys.stderr)


def _check_readmes(results: Path) -> int:
    from harness.catalog import replications_folder
    from harness.report.markers import stale_markers

    stale = stale_markers(replications_folder().parent, results)
    print(f"harness: records in {results}", file=sys.stderr)
    for name in stale:
        print(f"{name}: its table is not today's; run `harness compare --update-readmes`.")
    return 1 if stale else 0
