"""`harness explain CELL`: what each switch is worth, from one checkpoint."""

from __future__ import annotations

import argparse
import sys

from harness.cli.folders import RESULTS, WORK, folder
from harness.cli.numbers import whole
from harness.places import results_folder, work_folder

SUMMARY = "say what each protocol switch is worth, from one trained checkpoint"
EXAMPLES = (
    "harness explain maml/sinusoid-5shot",
    "harness explain maml/sinusoid-5shot --variant maml --tasks 50 --episodes 20 --format md",
    "harness explain maml/sinusoid-5shot --switch method.test_steps --metric mse@1",
    "harness explain maml/sinusoid-5shot --tasks 50 --train smoke --pair method.order=first",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `explain`."""
    add = parser.add_argument
    add("cell", metavar="CELL", help="paper/cell, as `harness list` shows them")
    add("--variant", metavar="V", help="default: the one trained longest")
    add("--record", type=folder, metavar="DIR", help="a record's folder")
    add("--results", type=folder, metavar="DIR", help=RESULTS)
    add("--switch", action="append", default=[], metavar="S", help="only this one (repeatable)")
    add("--metric", metavar="M", help="default: what the paper prints, at a definite test step")
    tasks = whole(2, 1_000_000)
    add("--tasks", type=tasks, metavar="N", help="test tasks (default: as recorded, at most 600)")
    add(
        "--episodes",
        type=tasks,
        nargs="+",
        default=[],
        metavar="N",
        help="other numbers of test tasks to compare with, such as 10000",
    )
    add(
        "--train",
        default="",
        metavar="BUDGET",
        help="also train a pair at this budget for each training switch that others change",
    )
    add(
        "--pair",
        action="append",
        default=[],
        metavar="SECTION.SWITCH=VALUE",
        help="train this one instead of those (repeatable)",
    )
    add("--work", type=folder, metavar="DIR", help=WORK)
    add("--device", choices=("auto", "cpu", "cuda"), default="auto")
    add("--format", choices=("table", "json", "md", "latex", "csv"), default="table")


def main(arguments: argparse.Namespace) -> int:
    """Print the table on stdout, largest effect first; a whole one is put on record."""
    from harness.catalog import find_cell
    from harness.explain.explain import explain
    from harness.explain.explanation import write_explanation
    from harness.explain.kept import Kept, find_kept
    from harness.explain.question import Question
    from harness.protocol import overrides
    from harness.records.store import verify_files
    from harness.report.render import render_explanations
    from harness.run.allocator import keep_freed_memory
    from harness.run.setup import choose_device

    cell = find_cell(arguments.cell)
    results = results_folder(arguments.results)
    asked = Question(
        metric=arguments.metric,
        switches=tuple(arguments.switch),
        tasks=arguments.tasks,
        episodes=tuple(arguments.episodes),
        train=arguments.train,
        pairs=tuple(overrides(arguments.pair, "--pair").items()),
        work=work_folder(arguments.work),
    )
    if arguments.record is not None:
        where, record = arguments.record, verify_files(arguments.record)
    else:
        where, record = find_kept(cell, arguments.variant, results)
    print(f"harness: explaining {where}", file=sys.stderr)
    device = choose_device(arguments.device)
    if device.type == "cpu":
        keep_freed_memory()
    explanation = explain(Kept(cell, where, record, device), asked)
    if explanation.recorded is not None and explanation.recorded != explanation.mean:
        print(
            f"harness: {explanation.metric} is {explanation.mean!r} here and "
            f"{explanation.recorded!r} on record, with the same weights and tasks: another "
            "machine or library.",
            file=sys.stderr,
        )
    sys.stdout.write(render_explanations([explanation], arguments.format))
    if arguments.switch:
        print("harness: not put on record: some switches only.", file=sys.stderr)
    else:
        path = write_explanation(results, explanation)
        print(f"harness: on record in {path}", file=sys.stderr)
    return 0
