"""Costs as text, before any format. Each machine has a section of its own: seconds and bytes of
different hardware are never in one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.costs.claim_rows import ClaimRow
from harness.costs.rows import CostRow, code_words
from harness.report.sheet import MARKS, Line, Section

_UNITS = {"times": "x", "percent less": "% less", "percent more": "% more"}


def cost_sections(rows: Sequence[CostRow]) -> list[Section]:
    """Lay out measured costs: one section a machine, in the order of `rows`."""
    words = ("variant", "order", "engine")
    numbers = ("steps", "ms", "IQR", "drift", "tasks/s", "fetch", "GFLOP", "of peak")
    sections = []
    for machine in dict.fromkeys(r.machine for r in rows):
        own = [r for r in rows if r.machine == machine]
        cuda = own[0].device == "cuda"
        bytes_of = ("host", "allocated", "reserved") if cuda else ("tensors", "host")
        lines = tuple(_line(r, cuda) for r in own)
        last = max(own, key=lambda r: r.start)
        title = (
            f"A meta-step on {own[0].hardware}, {_threads(own[0].threads)}, torch {last.torch}, "
            f"{code_words(last.commit, last.clean)} (MiB; * as in the paper)"
        )
        sections.append(Section(title, (*words, *numbers, *bytes_of, "on"), lines, left=3))
    return sections


def claim_sections(rows: Sequence[ClaimRow]) -> list[Section]:
    """Lay out published claims: held against each machine, not comparable there, not measured."""
    header = (
        "claim",
        "variant",
        "order",
        "engine",
        "steps",
        "paper",
        "here",
        "± rounds",
        "verdict",
    )
    sections = []

    def add(title: str, chosen: Callable[[ClaimRow], bool]) -> None:
        lines = tuple(_claim(r) for r in rows if chosen(r))
        if lines:
            sections.append(Section(title, header, lines, left=4))

    measured = [r.measured for r in rows if r.measured]
    for machine in dict.fromkeys(m.machine for m in measured):
        first = next(m for m in measured if m.machine == machine)
        where = f"on {first.hardware}, {_threads(first.threads)}"

        def here(r: ClaimRow, apart: bool, machine: str = machine) -> bool:
            own = r.measured is not None and r.measured.machine == machine
            return own and (r.verdict == "not comparable") == apart

        add(f"Published costs beside ours {where}", lambda r: here(r, apart=False))
        add(f"Published costs, not comparable with ours {where}", lambda r: here(r, apart=True))
    add("Published costs that nothing here answers to yet", lambda r: r.measured is None)
    return sections


def digits(value: float | None) -> str:
    """Print a number with three significant digits, or all before the point; '' = None."""
    if value is None:
        return ""
    places = next((n for n, least in ((0, 100), (1, 10), (2, 1), (3, 0.1)) if value >= least), 4)
    return f"{value:.{places}f}"


def _line(r: CostRow, cuda: bool) -> Line:
    spread = drift = None
    if r.seconds is not None and r.seconds_q1 is not None and r.seconds_q3 is not None:
        spread = (r.seconds_q3 - r.seconds_q1) / r.seconds
        drift = (max(r.round_seconds) - min(r.round_seconds)) / r.seconds
    on_cuda = (r.host_growth_bytes, r.device_allocated_bytes, r.device_reserved_bytes)
    on_cpu = (r.live_tensor_bytes, r.host_growth_bytes)
    steps = "-" if r.inner_steps is None else str(r.inner_steps)
    return Line(
        f"{r.paper}/{r.cell}",
        (
            *(r.variant, r.order or "-", r.engine or "-"),
            f"* {steps}" if r.as_published else steps,
            digits(None if r.seconds is None else 1000 * r.seconds),
            *(_percent(spread), _percent(drift) if len(r.round_seconds) > 1 else ""),
            *(digits(r.tasks_per_second), _percent(r.fetch_share)),
            digits(None if r.operations_per_step is None else r.operations_per_step / 1e9),
            _percent(r.share_of_peak, places=1),
            *(digits(None if b is None else b / 2**20) for b in (on_cuda if cuda else on_cpu)),
            r.device,
        ),
        r.note,
    )


def _claim(r: ClaimRow) -> Line:
    claim, ours, unit = r.claim, r.measured, _UNITS[r.claim.unit]
    note = claim.note or claim.setting if r.verdict == "context" else r.reason
    where, here, interval = ("", "", "", ""), "", ""
    if ours is not None:
        steps = "" if ours.inner_steps is None else str(ours.inner_steps)
        where = (ours.variant, ours.order or "", ours.engine or "", steps)
        here = "" if ours.mean is None else f"{ours.mean:.3g} {unit}"
        interval = "" if ours.interval is None else f"{digits(ours.interval)} ({ours.rounds})"
    paper = f"{claim.value:g} {unit}"
    columns = (claim.claim, *where, paper, here, interval, MARKS.get(r.verdict, r.verdict))
    return Line(f"{claim.paper}/{claim.cell}", columns, note)


def _percent(share: float | None, places: int = 0) -> str:
    return "" if share is None else f"{100 * share:.{places}f}%"


def _threads(count: int) -> str:
    return f"{count} thread{'s' * (count > 1)}"
