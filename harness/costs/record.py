"""What was measured of one cell on one machine: one JSON file, `results/costs/<machine>/…`.

A *session* is one start of `harness cost`, gone on with after a stop: from which code and how it
measured. A point names its session. A newer point takes the place of the older one of its key.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from harness.costs.grid import Point
from harness.errors import HarnessError
from harness.plain_data import parse_json
from harness.records.measured import Environment
from harness.shown import shown
from harness.typed_data import Count, Positive, Size, read_fields, read_value

SCHEMA = 1


@dataclass(frozen=True)
class Session:
    """How and from which code points were measured."""

    commit: str | None
    clean: bool | None
    """Whether the working tree was that commit; None where that is not known."""
    start: str
    end: str | None
    """None until the whole grid is measured: the same command then goes on."""
    seconds: Size
    rounds: Count
    limit: Size
    memory: bool
    environment: dict[str, Any]
    """See `harness.measure.environment`."""


@dataclass(frozen=True)
class Round:
    """One process that timed meta-steps; see `harness.costs.timing.time_point`."""

    seconds_median: Positive
    seconds_q1: Size
    seconds_q3: Size
    steps: Count
    tasks_per_second: Size
    fetch_share: Size
    warm_up_steps: Count
    warmed_up: bool
    peak_rate: Size


@dataclass(frozen=True)
class Memory:
    """One process that watched memory, in bytes; see `harness.costs.memory.memory_of_point`."""

    host_growth_bytes: int
    host_peak_bytes: int
    host_peak_was_reset: bool
    live_tensor_bytes: int
    device_allocated_bytes: int
    device_reserved_bytes: int
    device_before_bytes: int


@dataclass(frozen=True)
class CostPoint:
    """One point of the grid with what was found."""

    point: Point
    session: int
    """Which of the record's sessions."""
    meta_batch: Count
    as_published: bool
    """Whether a variant has this order and number of inner steps by itself."""
    switches: str
    """sha256 of the switches that cost depends on."""
    time_status: str
    """`measured`, `over limit`, `out of memory` or `failed`; the note says more."""
    time_note: str
    rounds: tuple[Round, ...]
    operations_per_step: Count | None
    memory_status: str
    """Likewise; `not asked` where memory was left out."""
    memory_note: str
    memory: Memory | None


@dataclass(frozen=True)
class CostRecord:
    """All points of one cell from one machine."""

    machine: str
    """Slug of the hardware and its threads: the folder's name."""
    hardware: str
    """Processor or GPU, as the system names it."""
    threads: Count
    paper: str
    cell: str
    sessions: tuple[Session, ...] = ()
    points: tuple[CostPoint, ...] = ()
    schema: int = SCHEMA

    def with_point(self, new: CostPoint) -> CostRecord:
        """Return the record with `new` in place of an older point of the same key."""
        kept = tuple(p for p in self.points if p.point != new.point)
        return dataclasses.replace(self, points=(*kept, new))

    def with_session(self, own: Session) -> tuple[CostRecord, int]:
        """Return the record with the session `own`, whether it has ended or not, and its index."""
        for i, session in enumerate(self.sessions):
            if dataclasses.replace(session, end=own.end) == own:
                return self, i
        return dataclasses.replace(self, sessions=(*self.sessions, own)), len(self.sessions)

    def without_idle_sessions(self) -> CostRecord:
        """Return the record without sessions that no point names any more."""
        used = sorted({p.session for p in self.points})
        points = tuple(dataclasses.replace(p, session=used.index(p.session)) for p in self.points)
        return dataclasses.replace(
            self, sessions=tuple(self.sessions[i] for i in used), points=points
        )

    def to_json(self) -> str:
        """Return the record as stored."""
        return json.dumps(dataclasses.asdict(self), indent=1, allow_nan=False) + "\n"


def parse_record(text: str, where: str) -> CostRecord:
    """Read a record; another schema, an odd field or a value of another type is one sentence."""
    raw = parse_json(text, where, "a readable record of costs")
    schema = raw.get("schema") if isinstance(raw, dict) else type(raw).__name__
    if schema != SCHEMA:
        raise HarnessError(f"{where}: found schema {shown(schema)}, wanted {SCHEMA}.")
    record = read_fields(CostRecord, raw, where)
    for i, session in enumerate(record.sessions):
        read_value(Environment, session.environment, f"{where}: sessions[{i}]: environment")
    for i, point in enumerate(record.points):
        if not 0 <= point.session < len(record.sessions):
            raise HarnessError(f"{where}: points[{i}].session: found {point.session}, not there.")
        if (point.time_status == "measured") != bool(point.rounds):
            raise HarnessError(f"{where}: points[{i}]: its status and its rounds do not fit.")
    return record
