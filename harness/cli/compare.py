"""`harness compare`: the published numbers and ours, with verdicts."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.errors import HarnessError

SUMMARY = "compare records with the published numbers"
EXAMPLES = (
    "harness compare",
    "harness compare maml --format md",
    "harness compare maml --paired",
    "harness compare --context --format json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("cells", metavar="CELL", nargs="*", help="paper or paper/cell (none = all)")
    parser.add_argument(
        "--format", choices=("table", "json", "md", "latex", "csv"), default="table"
    )
    parser.add_argument("--results", metavar="DIR", type=Path, help="records (default: results)")
    parser.add_argument(
        "--context", action="store_true", help="also published lines that no variant answers to"
    )
    parser.add_argument(
        "--paired", action="store_true", help="compare variants with each other, task by task"
    )
    parser.add_argument("--plots", metavar="DIR", type=Path, help="also draw plots (SVG, PNG)")
    readmes = parser.add_mutually_exclusive_group()
    readmes.add_argument(
        "--update-readmes", action="store_true", help="write the tables into the README files"
    )
    readmes.add_argument(
        "--check-readmes", action="store_true", help="exit with 1 if a README has an old table"
    )


def main(arguments: argparse.Namespace) -> int:
    """Print the table on stdout; what else was written, on stderr."""
    from harness.compare.paired import paired_rows
    from harness.compare.rows import collect
    from harness.report.render import render_paired, render_rows

    results = arguments.results or Path("results")
    if arguments.results is not None and not results.is_dir():
        raise HarnessError(f"--results: found no folder {results}, wanted the one with records.")
    if arguments.update_readmes or arguments.check_readmes:
        return _readmes(results, arguments.update_readmes)
    found = collect(results, arguments.cells, context=arguments.context)
    if arguments.paired:
        text = render_paired(paired_rows(found), arguments.format)
    else:
        text = render_rows(found.rows, arguments.format)
    sys.stdout.write(text)
    if arguments.plots is not None:
        from harness.report.plots import write_plots

        for path in write_plots(found, arguments.plots):
            print(f"wrote {path}", file=sys.stderr)
    return 0


def _readmes(results: Path, update: bool) -> int:
    from harness.catalog import replications_folder
    from harness.report.markers import stale_markers, update_markers

    root = replications_folder().parent
    if update:
        for name in update_markers(root, results):
            print(f"wrote {name}", file=sys.stderr)
        return 0
    stale = stale_markers(root, results)
    for name in stale:
        print(f"{name}: its table is not today's; run `harness compare --update-readmes`.")
    return 1 if stale else 0
