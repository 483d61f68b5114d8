"""Writes records once and for all, and finds and reads them again.

A record folder is written beside its place under a hidden name, synced and renamed, so a reader
sees a whole record or none. A record that stands is never changed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from harness.durable import sync_folder
from harness.errors import HarnessError
from harness.file_lock import take
from harness.folders import entries
from harness.plain_file import read_plain
from harness.records.again import file_is_gone
from harness.records.curve_file import CurveRow, parse_curve
from harness.records.schema import Record, read_record
from harness.records.scores_file import SCORES, parse_scores

RECORD = "record.json"
CURVE, WEIGHTS = "curve.csv", "weights.safetensors"
_RUN = re.compile(r"seed\d+-.+-[0-9a-f]{8}")


@dataclass(frozen=True)
class StoredRecord:
    """A record that was found under a results folder."""

    folder: Path
    record: Record

    @cached_property
    def scores(self) -> dict[str, np.ndarray]:
        """Metric -> [tasks] float64, from the scores file; refused if its sha256 is another, or if
        it does not hold a score of each test task for the record's metrics."""
        where = f"{self.folder / SCORES}"
        columns = parse_scores(_checked(self.folder, self.record, SCORES), where)
        counts = {name: metric.n for name, metric in self.record.metrics.items()}
        if (given := {name: len(x) for name, x in columns.items()}) != counts:
            raise HarnessError(f"{where}: found scores of {given}, its record has {counts}.")
        return columns

    @cached_property
    def curve(self) -> list[CurveRow]:
        """Rows of `curve.csv`; refused if its sha256 is another."""
        return parse_curve(_checked(self.folder, self.record, CURVE), f"{self.folder / CURVE}")


def record_folder(results_root: Path, record: Record) -> Path:
    """Return the folder of `record`."""
    r = record
    return folder_for(results_root, r.paper, r.cell, r.variant, r.seed, r.budget, r.config_digest)


def folder_for(
    results_root: Path,
    paper: str,
    cell: str,
    variant: str,
    seed: int,
    budget: str,
    config_digest: str,
) -> Path:
    """Return the folder of a record: paper/cell/variant/seed<k>-<budget>-<config digest[:8]>."""
    name = f"seed{seed}-{budget}-{config_digest[:8]}"
    for part in (paper, cell, variant, name):
        if not part or part.startswith(".") or "/" in part or os.sep in part:
            raise HarnessError(f"found {part!r} in a record, wanted a name that a folder can have.")
    return results_root / paper / cell / variant / name


def file_digests(files: dict[str, bytes]) -> dict[str, str]:
    """Return the sha256 (hex) of each file, as `Record.files` holds them."""
    return {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}


def write_record(results_root: Path, record: Record, files: dict[str, bytes]) -> Path:
    """Write `record` with `files` (name -> content) beside it; return its folder.

    `record.files` is set from `files`, and the digest of what was measured. Where an equal result
    (`result_digest`) stands already, the old record is kept as it is. Raises `HarnessError` where
    a different or damaged record stands.
    """
    for name in files:
        if name == RECORD or name.startswith(".") or Path(name).name != name:
            raise HarnessError(f"found file name {name!r}, wanted a plain name beside {RECORD}.")
    record = dataclasses.replace(record, files=file_digests(files)).sealed()
    target = record_folder(results_root, record)
    if target.exists():
        return _keep_equal(target, record)
    partial = target.parent / f".partial-{target.name}-{uuid.uuid4().hex}"
    held = -1
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        held = _started(partial)
        for name, data in {**files, RECORD: record.to_json().encode()}.items():
            with (partial / name).open("xb") as f:
                f.write(data)
                f.flush()
                os.fsync(f.fileno())
        sync_folder(partial)
        try:
            partial.rename(target)
        except OSError:
            # Another process may have written the same run in the meantime.
            if not target.exists():
                raise
            return _keep_equal(target, record)
        sync_folder(target.parent)
    except OSError as e:
        raise HarnessError(
            f"could not write the record {target}: {e.strerror or e}; nothing half-written is "
            f"left: free some space or give another results folder, and run the command again."
        ) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if held >= 0:
            os.close(held)
    return target


def _started(partial: Path) -> int:
    """Make the folder of a record that is being written, hold its lock and return the descriptor.

    Folders of writers that were killed, whose locks went with them, are removed first. One writer
    at a time does this, so that none is seen before it holds its lock. Where the file system has no
    locks, nothing is removed.
    """
    turn = os.open(partial.parent, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            take(turn, wait=True)
            for left in partial.parent.glob(".partial-*"):
                _take_away(left)
        partial.mkdir()
        held = os.open(partial, os.O_RDONLY)
        with contextlib.suppress(OSError):
            take(held)
        return held
    finally:
        os.close(turn)


def _take_away(left: Path) -> None:
    descriptor = os.open(left, os.O_RDONLY)
    try:
        if take(descriptor):
            shutil.rmtree(left, ignore_errors=True)
    finally:
        os.close(descriptor)


def find_records(results_root: Path, papers: Collection[str] = ()) -> list[StoredRecord]:
    """Read every record under `results_root`, or those of `papers` alone, by paper, cell, variant,
    budget and seed.

    Raises `HarnessError` for an edited record, one that lies in the place of another, and a folder
    of a record that cannot be read.
    """
    stored = []
    for folder in _record_folders(results_root, papers):
        record = read_record(folder / RECORD)
        if record_folder(results_root, record) != folder:
            raise HarnessError(
                f"{folder / RECORD}: found a record of {record_folder(Path(), record)}, "
                f"wanted the one its folder names; move it back there."
            )
        stored.append(StoredRecord(folder, record))

    def order(s: StoredRecord) -> tuple[str, str, str, str, int, str]:
        r = s.record
        return (r.paper, r.cell, r.variant, r.budget, r.seed, r.config_digest)

    return sorted(stored, key=order)


def _record_folders(root: Path, papers: Collection[str]) -> Iterator[Path]:
    """Yield the folders paper/cell/variant/run that hold a record, or what is left of one."""
    runs = [path for path in entries(root) if not papers or path.name in papers]
    for _ in range(3):
        runs = [path for folder in runs for path in entries(folder)]
    for folder in runs:
        names = [path.name for path in entries(folder)]
        if RECORD in names or (names and _RUN.fullmatch(folder.name)):
            yield folder


def verify_files(folder: Path) -> Record:
    """Check the record in `folder` and the sha256 of every file beside it; return the record."""
    record = read_record(folder / RECORD)
    for name in record.files:
        _checked(folder, record, name)
    return record


def _checked(folder: Path, record: Record, name: str) -> bytes:
    """Return the content of one file beside the record, if it is what the record says."""
    if name not in record.files:
        raise HarnessError(f"{folder}: found no {name} in the record's files, wanted one.")
    try:
        data = read_plain(folder / name)
    except FileNotFoundError:
        raise file_is_gone(folder, record, name) from None
    except OSError as e:
        raise HarnessError(f"{folder / name}: the record names this file, but: {e}.") from None
    if hashlib.sha256(data).hexdigest() != record.files[name]:
        raise HarnessError(
            f"{folder / name}: its sha256 is not the record's, so it was changed after the run; "
            f"restore it or move the folder away and run `harness run` again."
        )
    return data


def _keep_equal(target: Path, record: Record) -> Path:
    try:
        old = verify_files(target)
    except HarnessError as e:
        raise HarnessError(f"{e} Move {target} away to write a new record there.") from None
    if old.result_digest != record.result_digest:
        raise HarnessError(
            f"{target}: a record with another result stands there and is not overwritten; "
            f"move it away or give another results folder."
        )
    return target
