"""`harness explain CELL`: what each switch of the evaluation is worth, from one checkpoint."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

SUMMARY = "say what each evaluation switch is worth, from one trained checkpoint"
EXAMPLES = (
    "harness explain maml/sinusoid-5shot",
    "harness explain maml/sinusoid-5shot --variant maml --tasks 50 --episodes 20 --format md",
    "harness explain maml/sinusoid-5shot --switch method.test_steps --metric mse@1",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `explain`."""
    parser.add_argument("cell", metavar="CELL", help="paper/cell, as `harness list` shows them")
    parser.add_argument("--variant", metavar="V", help="default: the first with weights on record")
    parser.add_argument("--record", type=Path, metavar="DIR", help="a record's folder")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR")
    parser.add_argument(
        "--switch", action="append", default=[], metavar="S", help="only this one (repeatable)"
    )
    parser.add_argument("--metric", metavar="M", help="default: what the paper prints")
    parser.add_argument("--tasks", type=int, metavar="N", help="test tasks (default: as recorded)")
    parser.add_argument(
        "--episodes",
        type=int,
        nargs="+",
        default=(600, 10000),
        metavar="N",
        help="numbers of test tasks to compare with (default: 600 10000)",
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--format", choices=("table", "json", "md", "latex", "csv"), default="table"
    )


def main(arguments: argparse.Namespace) -> int:
    """Print the table on stdout, largest effect first."""
    from harness.catalog import find_cell
    from harness.errors import HarnessError
    from harness.explain.kept import Kept, find_kept
    from harness.explain.rows import explain
    from harness.records.store import verify_files
    from harness.report.render import render_effects
    from harness.run.plan import choose_device

    if min(arguments.tasks or 2, *arguments.episodes) < 2:
        raise HarnessError("--tasks, --episodes: found less than 2, wanted 2 test tasks or more.")
    cell = find_cell(arguments.cell)
    if arguments.record is not None:
        folder, record = arguments.record, verify_files(arguments.record)
    else:
        folder, record = find_kept(cell, arguments.variant, arguments.results)
    print(f"harness: explaining {folder}", file=sys.stderr)
    kept = Kept(cell, folder, record, choose_device(arguments.device))
    found = explain(kept, arguments.metric, arguments.switch, arguments.episodes, arguments.tasks)
    sys.stdout.write(render_effects(found.title, found.rows, arguments.format))
    return 0
