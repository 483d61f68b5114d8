"""Where records of costs are: `results/costs/<machine>/<paper>-<cell>.json`."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import Path

import torch

from harness.costs.record import CostRecord, parse_record
from harness.durable import held, write_whole
from harness.errors import HarnessError
from harness.folders import entries
from harness.measure.environment import processor_name
from harness.text_file import read_text


def empty_record(paper: str, cell: str, device: torch.device, threads: int) -> CostRecord:
    """Return a record without points for this machine, with `threads` CPU threads."""
    cuda = device.type == "cuda"
    hardware = torch.cuda.get_device_name(device) if cuda else processor_name()
    plain = re.sub(r"\((r|tm)\)", "", hardware.lower())
    slug = re.sub(r"[^a-z0-9]+", "-", f"{plain} {threads} threads").strip("-")
    return CostRecord(slug, hardware, threads, paper, cell)


def record_path(results: Path, record: CostRecord) -> Path:
    """Return the file of a record."""
    return results / "costs" / record.machine / f"{record.paper}-{record.cell}.json"


def read_costs(path: Path) -> CostRecord:
    """Read one record; refuse one that lies in a place of another."""
    record = parse_record(read_text(path, "a readable record of costs"), str(path))
    if record_path(path.parents[2], record) != path:
        raise HarnessError(
            f"{path}: found costs of {record.paper}/{record.cell} on {record.machine}, wanted "
            f"those its place names; move it back there."
        )
    return record


def write_costs(results: Path, record: CostRecord) -> Path:
    """Write a record in place of the one before, whole or not at all; give its file."""
    path = record_path(results, record)
    write_whole(path, record.to_json())
    return path


def change_costs(
    results: Path, record: CostRecord, change: Callable[[CostRecord], CostRecord]
) -> CostRecord:
    """Change what is on record now of the machine and cell of `record`, or `record` where nothing
    is: other processes that measure the same cell lose nothing. Give what is on record then."""
    path = record_path(results, record)
    with held(path.parent):
        new = change(read_costs(path) if path.is_file() else record)
        write_costs(results, new)
    return new


def find_costs(results: Path, cells: Collection[str]) -> list[CostRecord]:
    """Read the records of `cells` (`paper/cell`), by machine and cell."""
    wanted = {key.replace("/", "-", 1) for key in cells}
    machines = entries(results / "costs")
    paths = [path for machine in machines for path in entries(machine, ".json")]
    records = [read_costs(path) for path in paths if path.stem in wanted]
    return [r for r in records if f"{r.paper}/{r.cell}" in cells]
