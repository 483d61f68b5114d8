"""Switches of the paper and of known re-implementations that differ from those of a record.

Re-implementations are data: `reimplementations.csv` of a paper's folder, one switch a line.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.catalog import Cell
from harness.errors import HarnessError
from harness.explain.alternatives import of
from harness.protocol import parse_value
from harness.records.schema import Record

FILE = "reimplementations.csv"
COLUMNS = ("implementation", "cells", "switch", "value", "source")


@dataclass(frozen=True)
class Difference:
    """A switch that is another elsewhere than in the record."""

    where: str
    """`the paper`, or the name of the re-implementation."""
    switch: str
    value: Any
    source: str


def differences(record: Record, cell: Cell) -> list[Difference]:
    """Give what separates `record` from its published cell, and from re-implementations of it."""
    published = cell.variant(record.variant).protocol()
    found = [
        Difference("the paper", f"{section}.{name}", value, "paper.toml")
        for section in ("tasks", "method", "training", "testing")
        for name, value in published[section].items()
        if value != of(record.protocol, f"{section}.{name}")
    ]
    others = _read(cell.folder / FILE, cell.name)
    return found + [d for d in others if d.value != of(record.protocol, d.switch)]


def _read(path: Path, cell: str) -> list[Difference]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as f:
        reader = csv.DictReader(f)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise HarnessError(
                f"{path}:1: found columns {','.join(reader.fieldnames or ())}; "
                f"wanted {','.join(COLUMNS)}."
            )
        rows = list(reader)
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values() or not all(row.values()) or "." not in row["switch"]:
            raise HarnessError(
                f"{path}:{number}: found {', '.join(str(v) for v in row.values())}; wanted "
                f"{', '.join(COLUMNS)}, all given, with the switch as section.switch."
            )
    return [
        Difference(r["implementation"], r["switch"], parse_value(r["value"]), r["source"])
        for r in rows
        if cell in r["cells"].split()
    ]
