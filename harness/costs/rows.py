"""One row of the table of costs: a point of the grid with what is on record of it."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from harness.catalog import Cell
from harness.costs.grid import cost_switches
from harness.costs.record import CostPoint, CostRecord, Session
from harness.costs.request import MEASURED, NOT_ASKED
from harness.errors import HarnessError
from harness.meta_gradient.engines import ENGINES
from harness.protocol import digest

_BYTES = (
    *("live_tensor_bytes", "host_growth_bytes", "host_peak_bytes"),
    *("device_allocated_bytes", "device_reserved_bytes"),
)


@dataclass(frozen=True)
class CostRow:
    """Seconds are of one meta-step, medians over rounds; None: not measured or no such switch."""

    machine: str
    hardware: str
    threads: int
    paper: str
    cell: str
    variant: str
    family: str
    """First of the variants that differ in order and inner steps alone."""
    order: str | None
    engine: str | None
    inner_steps: int | None
    device: str
    as_published: bool
    sets: tuple[str, ...]
    """Switches that were set to something else, as `section.switch=value`."""
    time_status: str
    memory_status: str
    note: str
    """What a reader must know: why something was not measured, from which code it comes."""
    seconds: float | None
    seconds_q1: float | None
    seconds_q3: float | None
    """Quartiles over the meta-steps of a round (their medians over rounds)."""
    round_seconds: tuple[float, ...]
    """The median of each round, in the order in which they were run."""
    steps_timed: int
    tasks_per_second: float | None
    fetch_share: float | None
    operations_per_step: int | None
    peak_rate: float | None
    """Operations a second of a large product, in the same processes."""
    share_of_peak: float | None
    """Operations a second of the meta-step over `peak_rate`."""
    live_tensor_bytes: int | None
    host_growth_bytes: int | None
    host_peak_bytes: int | None
    device_allocated_bytes: int | None
    device_reserved_bytes: int | None
    commit: str | None
    clean: bool | None
    start: str
    torch: str | None


def cost_rows(cell: Cell, record: CostRecord) -> list[CostRow]:
    """Return a row for each point, by variant, order, inner steps and engine in the cell's
    order."""
    names, engines = list(cell.variants), list(ENGINES)

    def order(p: CostPoint) -> tuple[int, str, tuple[str, ...], int, int]:
        at = names.index(p.point.family) if p.point.family in names else len(names)
        bare = (p.point.engine or "").partition(":")[0]  # `batched:500MB` is `batched`
        last = engines.index(bare) if bare in engines else len(engines)
        return at, p.point.order or "", p.point.sets, p.point.inner_steps or 0, last

    newest = max((s.start for s in record.sessions), default="")
    last = next((s for s in record.sessions if s.start == newest), None)
    return [_row(cell, record, p, last) for p in sorted(record.points, key=order)]


def stale(cell: Cell, measured: CostPoint) -> str:
    """Return whether the point's switches are no longer those of the cell; '' if they are."""
    try:
        today = digest(cost_switches(measured.point.base(cell)))
    except HarnessError:
        return "today's paper.toml has no such variant"
    same = today == measured.switches
    return "" if same else "measured with other switches than today's paper.toml has"


def _row(cell: Cell, record: CostRecord, measured: CostPoint, last: Session | None) -> CostRow:
    session, point = record.sessions[measured.session], measured.point

    def middle(name: str) -> float | None:
        values = [getattr(r, name) for r in measured.rounds]
        return statistics.median(values) if values else None

    seconds, peak, share = middle("seconds_median"), middle("peak_rate"), None
    if measured.operations_per_step is not None and seconds and peak:
        share = measured.operations_per_step / seconds / peak
    return CostRow(
        machine=record.machine,
        hardware=record.hardware,
        threads=record.threads,
        paper=record.paper,
        cell=record.cell,
        variant=point.variant,
        family=point.family,
        order=point.order,
        engine=point.engine,
        inner_steps=point.inner_steps,
        device=point.device,
        as_published=measured.as_published,
        sets=point.sets,
        time_status=measured.time_status,
        memory_status=measured.memory_status,
        note="; ".join(_notes(cell, measured, session, last)),
        seconds=seconds,
        seconds_q1=middle("seconds_q1"),
        seconds_q3=middle("seconds_q3"),
        round_seconds=tuple(r.seconds_median for r in measured.rounds),
        steps_timed=sum(r.steps for r in measured.rounds),
        tasks_per_second=middle("tasks_per_second"),
        fetch_share=middle("fetch_share"),
        operations_per_step=measured.operations_per_step,
        peak_rate=peak,
        share_of_peak=share,
        **{name: getattr(measured.memory, name, None) for name in _BYTES},
        commit=session.commit,
        clean=session.clean,
        start=session.start,
        torch=session.environment.get("libraries", {}).get("torch"),
    )


def _notes(
    cell: Cell, measured: CostPoint, session: Session, last: Session | None
) -> Iterator[str]:
    missing: dict[str, list[str]] = {}
    for what, status, note in (
        ("time", measured.time_status, measured.time_note),
        ("memory", measured.memory_status, measured.memory_note),
    ):
        if status not in (MEASURED, NOT_ASKED):
            missing.setdefault(f"{status}: {note.rstrip('.')}", []).append(what)
    for why, whats in missing.items():
        yield f"{' and '.join(whats)} not run ({why})"
    if measured.point.sets:
        yield f"with {', '.join(measured.point.sets)}"
    if why := stale(cell, measured):
        yield why
    unsettled = sum(not r.warmed_up for r in measured.rounds)
    if unsettled:
        yield f"timed before steps had settled in {unsettled} of {len(measured.rounds)} rounds"
    if last is not None and (session.commit, session.clean) != (last.commit, last.clean):
        yield f"from {code_words(session.commit, session.clean)}, unlike others"
    if measured.memory is not None and not measured.memory.host_peak_was_reset:
        yield "host memory: loading may hide some growth"


def code_words(commit: str | None, clean: bool | None) -> str:
    """Name the code of a session."""
    words = f"commit {commit[:12]}" if commit else "an unknown commit"
    return f"{words} and changes" if clean is False else words
