"""Published claims on cost beside our own ratios, with verdicts."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from harness.catalog import Cell
from harness.compare.numbers import number, span
from harness.compare.statistics import Estimate
from harness.compare.verdict import LEVEL, Place, VerdictName, place
from harness.costs.published import CostClaim, Selector
from harness.costs.record import CostPoint, CostRecord
from harness.costs.request import MEASURED
from harness.costs.rows import stale


@dataclass(frozen=True)
class Ratio:
    """Point / against, in the unit of a claim."""

    machine: str
    hardware: str
    threads: int
    variant: str
    """First of the variants that differ in order and inner steps alone; '' where they differ."""
    order: str | None
    engine: str | None
    inner_steps: int | None
    """Of both points; None where they differ in it, or have none."""
    mean: float | None
    """None where it was not measured."""
    interval: float | None
    """Half-width of the 95 % interval over rounds; None where there is one number only."""
    rounds: int


@dataclass(frozen=True)
class ClaimRow:
    """A claim, our ratio that answers to it, and the verdict."""

    claim: CostClaim
    verdict: VerdictName
    reason: str
    measured: Ratio | None = None
    """None for a claim that no measurement here answers to."""


def claim_rows(cell: Cell, claims: list[CostClaim], records: list[CostRecord]) -> list[ClaimRow]:
    """Return a row for each claim on the cell, machine and pair of points that answers to it."""
    rows = []
    for claim in (c for c in claims if c.cell == cell.name):
        if not claim.point:
            rows.append(ClaimRow(claim, "context", "no method here answers to it"))
            continue
        answers = [
            _row(cell, claim, record, a, b) for record in records for a, b in pairs(claim, record)
        ]
        rows += answers or [ClaimRow(claim, "not run", "no measurement of both points yet")]
    return rows


def pairs(claim: CostClaim, record: CostRecord) -> Iterator[tuple[CostPoint, CostPoint]]:
    """Yield the pairs (point, against): what the claim does not name is equal in both, and the
    number of inner steps, if it does not name it, is the cell's own."""
    for a in record.points:
        for b in record.points:
            if a.point.sets or b.point.sets:
                continue
            if not _matches(a, claim.point) or not _matches(b, claim.against):
                continue
            free = {"order", "engine", "inner_steps"} - set(claim.point)
            same = all(getattr(a.point, name) == getattr(b.point, name) for name in free)
            same &= a.point.family == b.point.family or "variant" in claim.point
            own = a.as_published or b.as_published or "inner_steps" in claim.point
            if same and own:
                yield a, b


def _matches(measured: CostPoint, selector: Selector) -> bool:
    return all(getattr(measured.point, name) == value for name, value in selector.items())


def _row(cell: Cell, claim: CostClaim, record: CostRecord, a: CostPoint, b: CostPoint) -> ClaimRow:
    ratios = _ratios(claim.quantity, a, b)
    values = [claim.in_unit(r) for r in ratios]
    obstacles = [*filter(None, [claim.obstacle]), *_obstacles(cell, a, b)]
    estimate = _estimate(claim.quantity, values) if values else None
    name: VerdictName
    if not values:
        name, reason = "not run", _why_not(claim.quantity, a, b)
    elif obstacles:
        name, reason = "not comparable", "; ".join(obstacles)
    elif estimate is None or claim.margin is None:
        name, reason = "inconclusive", "one round has no interval: more rounds decide"
    else:
        name, reason = _judge(claim, claim.margin, estimate)
    caveat = any(record.sessions[p.session].clean is False for p in (a, b))
    if caveat and values:
        reason += "; from a working tree with changes that are in no commit"
    measured = Ratio(
        machine=record.machine,
        hardware=record.hardware,
        threads=record.threads,
        variant=a.point.family if a.point.family == b.point.family else "",
        order=a.point.order if a.point.order == b.point.order else None,
        engine=a.point.engine if a.point.engine == b.point.engine else None,
        inner_steps=a.point.inner_steps if a.point.inner_steps == b.point.inner_steps else None,
        mean=statistics.fmean(values) if values else None,
        interval=estimate.half_width() if estimate is not None and estimate.se else None,
        rounds=len(values),
    )
    return ClaimRow(claim, name, reason, measured)


def _ratios(quantity: str, a: CostPoint, b: CostPoint) -> list[float]:
    """Return point / against: of each round for seconds, else one exact number, if measured."""
    if quantity == "seconds":
        both = zip(a.rounds, b.rounds, strict=False)  # rounds were run in turn
        return [x.seconds_median / y.seconds_median for x, y in both]
    x, y = (_exact(quantity, p) for p in (a, b))
    return [x / y] if x is not None and y else []


def _exact(quantity: str, measured: CostPoint) -> int | None:
    if quantity == "operations":
        return measured.operations_per_step
    memory = measured.memory
    if memory is None:
        return None
    if measured.point.device == "cuda":
        return memory.device_allocated_bytes - memory.device_before_bytes
    return memory.live_tensor_bytes


def _estimate(quantity: str, values: list[float]) -> Estimate | None:
    if quantity != "seconds":
        return Estimate(values[0], 0.0, 1)
    if len(values) < 2:
        return None
    se = statistics.stdev(values) / math.sqrt(len(values))
    return Estimate(statistics.fmean(values), se, len(values) - 1)


def _obstacles(cell: Cell, a: CostPoint, b: CostPoint) -> Iterator[str]:
    if a.session != b.session:
        yield "the two points were not measured in one session"
    yield from dict.fromkeys(filter(None, (stale(cell, p) for p in (a, b))))


def _why_not(quantity: str, a: CostPoint, b: CostPoint) -> str:
    def end(p: CostPoint) -> str:
        return p.memory_status if quantity == "memory" else p.time_status

    missing = [f"{p.point.label}: {end(p)}" for p in (a, b) if end(p) != MEASURED]
    return "; ".join(missing) or "not countable"


def _words(where: Place, unit: str) -> tuple[VerdictName, str]:
    """Return the verdict on a cost, and why: of a saving more is cheaper, of a cost less."""
    if where == "inside":
        return "reproduced", "within the margin"
    if where == "undecided":
        return "inconclusive", "too wide to tell: more rounds decide"
    if (unit == "percent less") == (where == "above"):
        return "better", "cheaper than the paper says, by more than the margin"
    return "worse", "dearer than the paper says, by more than the margin"


def _judge(claim: CostClaim, margin: float, measured: Estimate) -> tuple[VerdictName, str]:
    difference = Estimate(measured.value - claim.value, measured.se, measured.df)
    name, why = _words(place(difference, margin), claim.unit)
    low, high = difference.interval(1 - 2 * LEVEL)
    facts = (
        f"difference {number('', difference.value, sign=True)}, "
        f"90 % CI {span('', low, high)}, margin ±{number('', margin)}"
    )
    return name, f"{why}: {facts}"
