"""`harness list`: papers, cells, variants; a published number, the measured one, the verdict."""

from __future__ import annotations

import argparse
import sys

from harness.cli.folders import RESULTS, folder
from harness.errors import HarnessError
from harness.places import results_folder

SUMMARY = "list papers and cells with what is published, measured and found"
EXAMPLES = ("harness list", "harness list maml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `list`."""
    parser.add_argument("cells", nargs="*", metavar="CELL", help="paper or paper/cell (all)")
    parser.add_argument("--results", metavar="DIR", type=folder, help=RESULTS)


def main(arguments: argparse.Namespace) -> int:
    """Print a line for each variant of each cell, with the first number printed for it."""
    from harness.compare.numbers import number
    from harness.compare.rows import collect

    results = results_folder(arguments.results)
    if arguments.results is not None and not results.is_dir():
        raise HarnessError(f"--results: found no folder {results}, wanted the one with records.")
    collection = collect(results, arguments.cells)
    print(f"harness: records in {results}", file=sys.stderr)
    table = [("cell", "variant", "metric", "published", "measured", "budget", "verdict")]
    for cell in collection.cells:
        rows = [r for r in collection.rows if (r.paper, r.cell) == (cell.paper, cell.name)]
        for variant in cell.variants:
            row = next((r for r in rows if r.variant == variant), None)
            words = ("", "", "", "", "not run")
            if row is not None:
                said = row.published_words
                measured = number(row.metric, row.measured.mean)
                verdict = row.verdict_words
                words = (row.metric, said or "-", measured or "-", row.runs.budget or "-", verdict)
            table.append((cell.key, variant, *words))
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    for sentence in collection.left_out:
        print(f"harness: {sentence}", file=sys.stderr)
    for line in table:
        print("  ".join(w.ljust(n) for w, n in zip(line, widths, strict=True)).rstrip())
    return 0
