"""Plots that a paper draws itself from a trained network: `python -m replications.PAPER.NAME RECORD
OUT.svg`, where RECORD is the folder of a record with weights."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch

from harness.catalog import find_cell
from harness.errors import HarnessError
from harness.records.schema import read_record
from harness.records.store import WEIGHTS
from harness.run.kept_weights import (
    Assembled,
    assemble,
    check_weights_kept,
    read_weights,
    setup_of,
)

Draw = Callable[[Assembled, str, Path], Path]
"""Draws a method with its tasks, under a title, into a path without suffix; returns what it
wrote."""


def draw_record(draw: Draw, arguments: list[str]) -> int:
    """Draw the network of a record, on the CPU; return the exit status of the command.

    HarnessError where there are not two arguments, or no such record, or no weights in it.
    """
    if len(arguments) != 2:
        raise HarnessError(
            f"found {len(arguments)} arguments, wanted two: the folder of a record, and the plot "
            "to write, an SVG."
        )
    folder, out = (Path(argument) for argument in arguments)
    record = read_record(folder / "record.json")
    check_weights_kept(folder, record)
    cell = find_cell(f"{record.paper}/{record.cell}")
    weights = read_weights(folder / WEIGHTS, "cpu")
    ready = assemble(weights, folder / WEIGHTS, setup_of(record, cell, torch.device("cpu")))
    ready.tasks.end_training()
    title = f"{cell.key}: {record.variant} (budget {record.budget}, seed {record.seed})"
    print(f"wrote {draw(ready, title, out.with_suffix(''))}")
    return 0


def main(draw: Draw) -> int:
    """Run such a command; a fault is one sentence."""
    try:
        return draw_record(draw, sys.argv[1:])
    except HarnessError as error:
        print(f"harness: {error}", file=sys.stderr)
        return 2
