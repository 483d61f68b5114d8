"""What was measured of one cell on one machine: one JSON file, `results/costs/<machine>/…`.

A *session* is one start of `harness cost`, gone on with after a stop: from which code and how it
measured. A point names its session. A newer point takes the place of the older one of its key.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from dataclasses import dataclass
from typing import Any, TypeVar

from harness.costs.grid import Point
from harness.errors import HarnessError

SCHEMA = 1
T = TypeVar("T")


@dataclass(frozen=True)
class Session:
    """How and from which code points were measured."""

    commit: str | None
    clean: bool | None
    """Whether the working tree was that commit; None where that is not known."""
    start: str
    end: str | None
    """None until the whole grid is measured: the same command then goes on."""
    seconds: float
    rounds: int
    limit: float
    memory: bool
    environment: dict[str, Any]
    """See `harness.measure.environment`."""


@dataclass(frozen=True)
class Round:
    """One process that timed meta-steps; see `harness.costs.timing.time_point`."""

    seconds_median: float
    seconds_q1: float
    seconds_q3: float
    steps: int
    tasks_per_second: float
    fetch_share: float
    warm_up_steps: int
    warmed_up: bool
    peak_rate: float


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
    meta_batch: int
    as_published: bool
    """Whether a variant has this order and number of inner steps by itself."""
    switches: str
    """sha256 of the switches that cost depends on."""
    time_status: str
    """`measured`, `over limit`, `out of memory` or `failed`; the note says more."""
    time_note: str
    rounds: tuple[Round, ...]
    operations_per_step: int | None
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
    threads: int
    paper: str
    cell: str
    sessions: tuple[Session, ...] = ()
    points: tuple[CostPoint, ...] = ()
    schema: int = SCHEMA

    def with_point(self, new: CostPoint) -> CostRecord:
        """Give the record with `new` in place of an older point of the same key."""
        kept = tuple(p for p in self.points if p.point != new.point)
        return dataclasses.replace(self, points=(*kept, new))

    def with_session(self, own: Session) -> tuple[CostRecord, int]:
        """Give the record with the session `own`, whether it has ended or not, and its index."""
        for i, session in enumerate(self.sessions):
            if dataclasses.replace(session, end=own.end) == own:
                return self, i
        return dataclasses.replace(self, sessions=(*self.sessions, own)), len(self.sessions)

    def without_idle_sessions(self) -> CostRecord:
        """Give the record without sessions that no point names any more."""
        used = sorted({p.session for p in self.points})
        points = tuple(dataclasses.replace(p, session=used.index(p.session)) for p in self.points)
        return dataclasses.replace(
            self, sessions=tuple(self.sessions[i] for i in used), points=points
        )

    def to_json(self) -> str:
        """Give the record as stored."""
        return json.dumps(dataclasses.asdict(self), indent=1, allow_nan=False) + "\n"


def parse_record(text: str, where: str) -> CostRecord:
    """Read a record; another schema, an odd field or a value of another type is one sentence."""
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as e:
        raise HarnessError(f"{where}: not a readable record of costs: {e}.") from None
    schema = raw.get("schema") if isinstance(raw, dict) else type(raw).__name__
    if schema != SCHEMA:
        raise HarnessError(f"{where}: found schema {schema!r}, wanted {SCHEMA}.")
    record = _read(CostRecord, raw, where)
    for i, point in enumerate(record.points):
        if not 0 <= point.session < len(record.sessions):
            raise HarnessError(f"{where}: points[{i}].session: found {point.session}, not there.")
        if (point.time_status == "measured") != bool(point.rounds):
            raise HarnessError(f"{where}: points[{i}]: its status and its rounds do not fit.")
    return record


def _read(cls: type[T], raw: Any, where: str) -> T:
    names = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    if not isinstance(raw, dict) or set(raw) != names:
        odd = sorted(set(raw) ^ names)[0] if isinstance(raw, dict) else type(raw).__name__
        raise HarnessError(f"{where}: field {odd!r} is missing or unknown.")
    hints = typing.get_type_hints(cls)
    return cls(**{n: _value(hints[n], raw[n], f"{where}: {n}") for n in names})


def _value(hint: Any, value: Any, where: str) -> Any:
    if isinstance(hint, types.UnionType):
        if value is None:
            return None
        [hint] = [part for part in typing.get_args(hint) if part is not type(None)]
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _read(hint, value, where)
    kind = typing.get_origin(hint) or hint
    if kind is tuple and isinstance(value, list):
        part = typing.get_args(hint)[0]
        return tuple(_value(part, v, f"{where}[{i}]") for i, v in enumerate(value))
    fits = isinstance(value, int | float) if kind is float else isinstance(value, kind)
    if not fits or (isinstance(value, bool) and kind is not bool):
        raise HarnessError(f"{where}: found {value!r}, wanted {kind.__name__}.")
    return float(value) if kind is float else value
