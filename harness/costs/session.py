"""Measures a grid, group by group, and puts each finished point on record at once.

The points of a group (one number of inner steps; variants, engines and orders) are timed in turn,
round after round, so that a machine that drifts does it to all of them.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.catalog import Cell, replications_folder
from harness.costs.grid import Group, Point, as_published, cost_switches
from harness.costs.process import measure_apart
from harness.costs.record import CostPoint, CostRecord, Memory, Round, Session
from harness.costs.request import FULL, MEASURED, NOT_ASKED, NOT_YET, OVER, Request
from harness.costs.store import change_costs, read_costs, record_path
from harness.measure.environment import environment
from harness.measure.git_state import git_state
from harness.meta_gradient.engines import DEFAULT
from harness.progress import Progress
from harness.protocol import digest

Measure = Callable[[Request], dict[str, Any]]


@dataclass(frozen=True)
class Effort:
    """How much is done for each point."""

    seconds: float
    """Of timed meta-steps in each round."""
    rounds: int
    limit: float
    """Seconds that one process may measure."""
    memory: bool


class Measuring:
    """One session: `run()` measures what is not on record from it yet."""

    def __init__(
        self,
        cell: Cell,
        groups: list[Group],
        record: CostRecord,
        effort: Effort,
        results: Path,
        anew: bool = False,
    ) -> None:
        self.cell, self.groups, self.effort, self.results = cell, groups, effort, results
        path = record_path(results, record)
        self.record = read_costs(path) if path.is_file() else record
        self.own = self._begin(anew)
        self.mine: dict[Point, CostPoint] = {
            p.point: p for p in self.record.points if self.record.sessions[p.session] == self.own
        }

    def run(self) -> CostRecord:
        """Measure. The points of a group are timed together and are on record when all are; the
        memory of each follows, and is on record at once."""
        timed = [tuple(p for p in group if p not in self.mine) for group in self.groups]
        waiting = {p for group in self.groups for p in group if self._lacks_memory(p)}
        processes = self.effort.rounds * sum(map(len, timed))
        processes += self.effort.memory * (sum(map(len, timed)) + len(waiting))
        if any(p in self.mine for group in self.groups for p in group):
            left = sum(map(len, timed)) + len(waiting)
            print(f"harness: going on; points left: {left}.", file=sys.stderr)
        self.progress = Progress(f"{self.cell.key} costs", processes)
        try:
            for group, new in zip(self.groups, timed, strict=True):
                if new:
                    self._keep(*self._time(new))
                for point in filter(self._lacks_memory, group):
                    self._keep(self._with_memory(point))
        finally:
            self.progress.close()
        return change_costs(self.results, self.record, self._ended)

    def _keep(self, *points: CostPoint) -> None:
        """Put points on record, beside what others have put there in the meantime."""
        self.mine |= {p.point: p for p in points}

        def with_mine(record: CostRecord) -> CostRecord:
            record, i = record.with_session(self.own)
            for point in points:
                record = record.with_point(dataclasses.replace(point, session=i))
            return record

        change_costs(self.results, self.record, with_mine)

    def _ended(self, record: CostRecord) -> CostRecord:
        record, i = record.with_session(self.own)
        sessions = list(record.sessions)
        sessions[i] = dataclasses.replace(sessions[i], end=_now())
        return dataclasses.replace(record, sessions=tuple(sessions)).without_idle_sessions()

    def _lacks_memory(self, point: Point) -> bool:
        known = self.mine.get(point)
        return known is not None and known.memory_status == NOT_YET

    def _begin(self, anew: bool) -> Session:
        """Return the session to go on with, or a new one."""
        code = git_state(papers=replications_folder())
        new = Session(
            **{"commit": code["commit"], "clean": code["clean"], "start": _now(), "end": None},
            **dataclasses.asdict(self.effort),
            environment=environment(),
        )
        for old in reversed(self.record.sessions):
            if not anew and old == dataclasses.replace(new, start=old.start):  # and has no end
                return old
        return new

    def _time(self, group: Group) -> list[CostPoint]:
        """Time the points in turn."""
        rounds: dict[Point, list[Round]] = {p: [] for p in group}
        ends = {p: self._hopeless(p, "time") for p in group}
        operations: dict[Point, int | None] = {}
        for i in range(self.effort.rounds):
            for point in group:
                if ends[point][0] == MEASURED:
                    result = self._ask("time", point, operations=i == 0)
                    ends[point] = (result["status"], result["note"])
                    if result["status"] == MEASURED:
                        rounds[point].append(_take(Round, result))
                        operations.setdefault(point, result["operations_per_step"])
                self.progress.add(1, point.label)
        return [
            CostPoint(
                point=point,
                session=0,  # where it stands is known when it is put on record
                meta_batch=point.base(self.cell).training.meta_batch,
                as_published=as_published(point, self.cell),
                switches=digest(cost_switches(point.base(self.cell))),
                time_status=ends[point][0],
                time_note=ends[point][1],
                rounds=tuple(rounds[point]) if ends[point][0] == MEASURED else (),
                operations_per_step=operations.get(point),
                memory_status=NOT_YET if self.effort.memory else NOT_ASKED,
                memory_note="the measurement was stopped before" if self.effort.memory else "",
                memory=None,
            )
            for point in group
        ]

    def _with_memory(self, point: Point) -> CostPoint:
        """Return the point on record with its memory."""
        memory, (status, note) = None, self._hopeless(point, "memory")
        if status == MEASURED:
            result = self._ask("memory", point)
            status, note = result["status"], result["note"]
            memory = _take(Memory, result) if status == MEASURED else None
        self.progress.add(1, point.label)
        known = self.mine[point]
        return dataclasses.replace(known, memory_status=status, memory_note=note, memory=memory)

    def _hopeless(self, point: Point, kind: str) -> tuple[str, str]:
        """Return the end of a point with fewer steps that had too little time or memory, if any
        did: more steps take neither less time nor less memory."""
        for other in self.mine.values():
            status = other.time_status if kind == "time" else other.memory_status
            fewer = other.point.inner_steps or 0
            alike = dataclasses.replace(other.point, inner_steps=point.inner_steps) == point
            if alike and fewer < (point.inner_steps or 0) and status in (OVER, FULL):
                return status, f"so it was with {fewer} inner steps"
        return MEASURED, ""

    def _ask(self, kind: str, point: Point, operations: bool = False) -> dict[str, Any]:
        return measure_apart(
            Request(
                kind=kind,
                cell=self.cell.key,
                variant=point.variant,
                engine=point.engine or DEFAULT,
                device=point.device,
                threads=self.record.threads,
                seconds=self.effort.seconds,
                limit=self.effort.limit,
                sets=tuple(point.changes()),
                operations=operations,
            )
        )


def _take(cls: type[Any], result: dict[str, Any]) -> Any:
    return cls(**{f.name: result[f.name] for f in fields(cls)})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")  # tells sessions apart
