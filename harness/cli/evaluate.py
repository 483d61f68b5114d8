"""`harness evaluate CELL --weights FILE`: test kept weights again, without training.

With `--record-as VARIANT` that variant's test of them goes on record.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from pathlib import Path

from harness.catalog import Cell, find_cell
from harness.cli.folders import RESULTS, WORK, folder
from harness.compare.statistics import check_there, summary_half_width
from harness.errors import HarnessError
from harness.meta_gradient.engines import DEFAULT
from harness.places import results_folder, work_folder
from harness.plain_file import read_plain
from harness.records.again import file_is_gone
from harness.records.schema import MetricSummary, Record, read_record
from harness.run import stop
from harness.run.allocator import keep_freed_memory
from harness.run.budget import budget
from harness.run.kept_weights import method_with, read_weights, record_overrides
from harness.run.on_record import WEIGHTS, summary
from harness.run.plan import Plan, choose_device
from harness.run.record_as import record_as
from harness.run.testing import ScoresSoFar, test

SUMMARY = "test kept weights again and compare with their record"
EXAMPLES = (
    "harness evaluate maml/sinusoid-5shot --weights "
    "results/maml/sinusoid-5shot/maml/seed0-smoke-*/weights.safetensors",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `evaluate`."""
    parser.add_argument("cell", metavar="CELL", help="paper/cell, as `harness list` shows them")
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE")
    parser.add_argument("--variant", metavar="V", help="where no record.json lies beside FILE")
    parser.add_argument(
        "--record-as",
        metavar="V",
        help="test the weights of a record as this variant, which differs in the test alone, and "
        "put that on record",
    )
    parser.add_argument("--results", type=folder, metavar="DIR", help=f"{RESULTS}, for that")
    parser.add_argument("--work", type=folder, metavar="DIR", help=WORK)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--format", choices=("table", "json"), default="table")


def main(arguments: argparse.Namespace) -> int:
    """Print each metric, beside the recorded one if there is a record; 1 if they differ."""
    record = _record_beside(arguments.weights)
    if record and arguments.weights.name in record.files and not arguments.weights.exists():
        raise file_is_gone(arguments.weights.parent, record, arguments.weights.name)
    # Before anything else is looked for: data may take a minute to be packed.
    weights = read_weights(arguments.weights, "cpu")
    cell = find_cell(arguments.cell)
    if record is not None and f"{record.paper}/{record.cell}" != cell.key:
        raise HarnessError(
            f"{arguments.weights} belongs to {record.paper}/{record.cell}, not to {cell.key}."
        )
    if record is not None and arguments.variant not in (None, record.variant):
        raise HarnessError(
            f"--variant: found {arguments.variant!r} for weights of {record.variant}, wanted that "
            "or none; --record-as tests them as another variant."
        )
    if arguments.record_as is not None:
        return _put_on_record(arguments, cell, record)
    check_there()
    name = record.variant if record else arguments.variant or cell.names()[0]
    changed = record_overrides(record, cell.variant(name)) if record else {}
    variant = cell.variant(name, changed)
    length = budget(record.budget if record else "full", variant.training, variant.testing)
    device = choose_device(arguments.device)
    if device.type == "cpu":
        keep_freed_memory()
    # The seed draws training tasks: some methods look at them again before the test.
    seed = record.seed if record else 0
    plan = Plan(variant, cell.variant(name), seed, length, DEFAULT, device, Path(), Path())
    tasks = plan.tasks()
    method = method_with(weights, plan, tasks, arguments.weights)
    scores = test(plan, method, tasks, ScoresSoFar())
    found = {k: summary(v) for k, v in scores.items()}
    recorded = record.metrics if record else {}
    kept = record is None or _is_kept(arguments.weights, record)
    on_these = record is None or record.data_digest == tasks.data_digest()
    same = kept and on_these and all(found.get(k) == v for k, v in recorded.items())
    if arguments.format == "json":
        rows = [
            {
                "metric": k,
                "mean": m.mean,
                "ci95": summary_half_width(m),
                "tasks": m.n,
                "recorded": recorded[k].mean if k in recorded else None,
                "protocol_differences": plan.differences(),
            }
            for k, m in found.items()
        ]
        print(json.dumps(rows, indent=1))
    else:
        apart = f" ({'; '.join(plan.differences())})" if plan.differences() else ""
        print(f"{variant.key}{apart}, {length.test_tasks} test tasks, {device.type}")
        for k, m in found.items():
            beside = f"  recorded {recorded[k].mean!r}" if k in recorded else ""
            print(f"  {k:<14} {m.mean!r} {_width(m)}{beside}")
        if record:
            words = "" if kept else ": these are not the weights it kept (another sha256)"
            if not on_these:
                words += ": the images at hand are others than those it was tested on"
            print("exactly as recorded" if same else f"NOT as recorded{words}")
    return 0 if same else 1


def _put_on_record(arguments: argparse.Namespace, cell: Cell, record: Record | None) -> int:
    """Test the weights of a record as another variant of its cell; print where that is."""
    if record is None or arguments.weights.name != WEIGHTS:
        raise HarnessError(
            f"--record-as: found no record of {arguments.weights} beside it, wanted the {WEIGHTS} "
            "in the folder of a record."
        )
    device = choose_device(arguments.device)
    if device.type == "cpu":
        keep_freed_memory()
    places = results_folder(arguments.results).resolve(), work_folder(arguments.work).resolve()
    try:
        print(record_as(arguments.weights.parent, cell, arguments.record_as, device, *places))
    except KeyboardInterrupt:
        return stop.stopped("stopped; the same command goes on from where it was.")
    return 0


def _width(found: MetricSummary) -> str:
    if found.mean is None:
        return "not finite"
    half = summary_half_width(found)
    return "one task, so no interval" if half is None else f"± {half:.3g}"


def _is_kept(weights: Path, record: Record) -> bool:
    """Return whether the file is the one that the record keeps: scores may survive a changed
    byte."""
    return hashlib.sha256(read_plain(weights)).hexdigest() == record.files.get(weights.name)


def _record_beside(weights: Path) -> Record | None:
    path = weights.parent / "record.json"
    return read_record(path) if os.path.lexists(path) else None
