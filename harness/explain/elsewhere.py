"""Switches of the paper and of known re-implementations that differ from those of a record.

Re-implementations are data: `reimplementations.csv` of a paper's folder, one switch per line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.catalog import SECTIONS, Cell
from harness.errors import HarnessError, closest
from harness.explain.alternatives import of
from harness.protocol import parse_value
from harness.records.schema import Record
from harness.shown import shown
from harness.table_file import read_table

FILE = "reimplementations.csv"
COLUMNS = ("implementation", "cells", "switch", "value", "source")
PAPER, BUDGET = "the paper", "budget"


@dataclass(frozen=True)
class Difference:
    """A switch that has another value elsewhere than in the record."""

    where: str
    """`the paper`, or the name of the re-implementation."""
    switch: str
    """`section.switch`, or `budget`."""
    value: Any
    source: str


def differences(record: Record, cell: Cell) -> list[Difference]:
    """Return what separates `record` from its published cell, and from re-implementations of it."""
    variant = cell.variant(record.variant)
    published, own = variant.protocol(), variant.stated.complete(record.protocol)
    own_differences = [
        Difference(PAPER, f"{section}.{name}", value, "paper.toml")
        for section in SECTIONS
        for name, value in published[section].items()
        if value != of(own, f"{section}.{name}")
    ]
    if record.budget != "full":
        own_differences.append(Difference(PAPER, BUDGET, "full", "paper.toml"))
    others = [d for key, d in read_reimplementations(cell.folder, {cell.name: cell})]
    return own_differences + [d for d in others if d.value != of(own, d.switch)]


def read_reimplementations(
    folder: Path, cells: Mapping[str, Cell]
) -> Iterator[tuple[str, Difference]]:
    """Yield (cell, switch of a re-implementation) for each of `cells` in the paper's file, if it
    has one; refuse a line that lacks a part, and a switch that the cell does not have."""
    path = folder / FILE
    if not path.is_file():
        return
    for where, row in read_table(path, COLUMNS):
        if missing := [name for name, text in row.items() if not text]:
            raise HarnessError(
                f"{where}: found no {', no '.join(missing)}; wanted {', '.join(COLUMNS)}, all "
                f"given."
            )
        difference = Difference(
            row["implementation"], row["switch"], parse_value(row["value"]), row["source"]
        )
        for name in row["cells"].split():
            if name in cells:
                _check(difference, cells[name], where)
                yield name, difference


def _check(difference: Difference, cell: Cell, where: str) -> None:
    """Refuse a switch that the cell does not have, and a value that none of its variants takes."""
    switch = difference.switch
    known = [
        f"{section}.{name}"
        for table in cell.variants.values()
        for section in SECTIONS
        for name in table.get(section, {})
    ]
    if switch not in known:
        raise HarnessError(
            f"{where}: found switch {shown(switch)}{closest(switch, known)}; "
            f"see `harness show {cell.key}` for the switches of this cell."
        )
    why = HarnessError()
    for name in cell.variants:
        try:
            cell.variant(name, {switch: difference.value})
        except HarnessError as e:
            why = e
        else:
            return
    raise HarnessError(f"{where}: {why}")
