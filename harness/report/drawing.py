"""Plots that a paper draws itself from a trained network: `python -m replications.PAPER.NAME RECORD
OUT.svg`, where RECORD is the folder of a record with weights."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

from harness.catalog import find_cell
from harness.errors import HarnessError
from harness.records.schema import read_record
from harness.records.store import WEIGHTS, verify_files
from harness.run.kept_weights import (
    Assembled,
    assemble,
    check_weights_kept,
    read_weights,
    setup_of,
)
from harness.shown import shown

Draw = Callable[[Assembled, str, Path], Path]
"""Draws a method with its tasks, under a title, into a path without suffix; returns what it
wrote. HarnessError where it cannot draw such a method."""
Kind = TypeVar("Kind")


def of_kind(thing: object, kind: type[Kind], wanted: str) -> Kind:
    """Return the method or task source of a record as what a plot draws; HarnessError, with
    what is `wanted`, for any other."""
    if not isinstance(thing, kind):
        raise HarnessError(f"found a record of {type(thing).__name__}, wanted one of {wanted}.")
    return thing


def draw_record(draw: Draw, arguments: list[str]) -> int:
    """Draw the network of a record, on the CPU; return the exit status of the command.

    HarnessError where there are not two arguments, or no such record, or no weights in it, or
    where the plot's name does not end in `.svg`.
    """
    if len(arguments) != 2:
        raise HarnessError(
            f"found {shown(' '.join(arguments))}, wanted two words: the folder of a record "
            "with weights, and the plot to write, NAME.svg."
        )
    folder, out = (Path(argument) for argument in arguments)
    if out.suffix != ".svg" or out.is_dir():
        raise HarnessError(f"found {shown(arguments[1])}, wanted a file to write, NAME.svg.")
    check_weights_kept(folder, read_record(folder / "record.json"))
    record = verify_files(folder)
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
