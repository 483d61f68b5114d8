"""`harness evaluate CELL --weights FILE`: test kept weights again, without training.

With `--record-as VARIANT` that variant's test of them goes on record.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch

from harness.catalog import Cell, find_cell
from harness.cli.folders import RESULTS, WORK, folder
from harness.compare.statistics import check_there, summary_half_width
from harness.errors import HarnessError
from harness.places import results_folder, work_folder
from harness.plain_file import read_plain
from harness.records.again import file_is_gone
from harness.records.schema import MetricSummary, Record, read_record
from harness.records.store import WEIGHTS
from harness.run import stop
from harness.run.allocator import keep_freed_memory
from harness.run.kept_weights import assemble, check_cell, read_weights, setup_of
from harness.run.on_record import summary
from harness.run.record_as import record_as
from harness.run.setup import Setup, choose_device, switch_differences
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
        help="test the weights of a record as this variant of CELL, which differs from what the "
        "record trained in the test alone, and put that on record",
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
    # Before looking for anything else: packing the data may take a minute.
    weights = read_weights(arguments.weights, "cpu")
    cell = find_cell(arguments.cell)
    if record is not None:
        if arguments.record_as is None:
            check_cell(arguments.weights, record, cell)
        _check_variant(arguments.variant, record)
    if arguments.record_as is not None:
        return _put_on_record(arguments, cell, record)
    check_there()
    device = _device(arguments.device)
    if record is not None:
        # Its seed draws training tasks: some methods look at them again before the test.
        setup = setup_of(record, cell, device)
    else:
        variant = cell.variant(arguments.variant or cell.names()[0])
        setup = Setup.at("full", variant, device=device)
    ready = assemble(weights, arguments.weights, setup)
    scores = test(setup, ready.method, ready.tasks, ScoresSoFar())
    measured = {name: summary(values) for name, values in scores.items()}
    differences = switch_differences(cell.variant(setup.variant.name), setup.variant)
    otherwise = _otherwise(arguments.weights, record, measured, ready.tasks.data_digest())
    if arguments.format == "json":
        print(json.dumps(_rows(measured, record, differences), indent=1))
    else:
        _print_table(setup, measured, record, differences)
        if record is not None:
            print("exactly as recorded" if otherwise is None else f"NOT as recorded{otherwise}")
    return 0 if otherwise is None else 1


def _check_variant(name: str | None, record: Record) -> None:
    if name not in (None, record.variant):
        raise HarnessError(
            f"--variant: found {name!r} for weights of {record.variant}, wanted that "
            "or none; --record-as tests them as another variant."
        )


def _otherwise(
    weights: Path, record: Record | None, measured: dict[str, MetricSummary], data_digest: str
) -> str | None:
    """Return None where all is as recorded, or there is no record; else what is known about the
    reason, which may be ''."""
    if record is None:
        return None
    is_kept, same_images = _is_kept(weights, record), record.data_digest == data_digest
    if is_kept and same_images and all(measured.get(k) == v for k, v in record.metrics.items()):
        return None
    words = "" if is_kept else ": these are not the weights it kept (another sha256)"
    if not same_images:
        words += ": the images at hand differ from those it was tested on"
    return words


def _rows(
    measured: dict[str, MetricSummary], record: Record | None, differences: list[str]
) -> list[dict[str, Any]]:
    recorded = record.metrics if record else {}
    return [
        {
            "metric": name,
            "mean": m.mean,
            "ci95": summary_half_width(m),
            "tasks": m.n,
            "recorded": recorded[name].mean if name in recorded else None,
            "protocol_differences": differences,
        }
        for name, m in measured.items()
    ]


def _print_table(
    setup: Setup,
    measured: dict[str, MetricSummary],
    record: Record | None,
    differences: list[str],
) -> None:
    apart = f" ({'; '.join(differences)})" if differences else ""
    count = setup.budget.test_tasks
    print(f"{setup.variant.key}{apart}, {count} test tasks, {setup.device.type}")
    recorded = record.metrics if record else {}
    for name, m in measured.items():
        beside = f"  recorded {recorded[name].mean!r}" if name in recorded else ""
        print(f"  {name:<14} {m.mean!r} {_width(m)}{beside}")


def _device(name: str) -> torch.device:
    """Return the device called `name`; on a CPU, freed memory is kept, as `harness run` does."""
    device = choose_device(name)
    if device.type == "cpu":
        keep_freed_memory()
    return device


def _put_on_record(arguments: argparse.Namespace, cell: Cell, record: Record | None) -> int:
    """Test the weights of a record as a variant of `cell`; print where that is."""
    if record is None or arguments.weights.name != WEIGHTS:
        raise HarnessError(
            f"--record-as: found no record of {arguments.weights} beside it, wanted the {WEIGHTS} "
            "in the folder of a record."
        )
    device = _device(arguments.device)
    places = results_folder(arguments.results).resolve(), work_folder(arguments.work).resolve()
    try:
        print(record_as(arguments.weights.parent, cell, arguments.record_as, device, *places))
    except KeyboardInterrupt:
        return stop.stopped("stopped; the same command goes on from where it was.")
    return 0


def _width(measured: MetricSummary) -> str:
    if measured.mean is None:
        return "not finite"
    half = summary_half_width(measured)
    return "one task, so no interval" if half is None else f"± {half:.3g}"


def _is_kept(weights: Path, record: Record) -> bool:
    """Return whether the file is the one that the record keeps: scores may survive a changed
    byte."""
    return hashlib.sha256(read_plain(weights)).hexdigest() == record.files.get(weights.name)


def _record_beside(weights: Path) -> Record | None:
    path = weights.parent / "record.json"
    return read_record(path) if os.path.lexists(path) else None
