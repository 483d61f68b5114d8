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

    for machine in dict.fromkeys(r.machine for r in rows if r.machine):
        first = next(r for r in rows if r.machine == machine)
        where = f"on {first.hardware}, {_threads(first.threads)}"

        def here(r: ClaimRow, apart: bool, machine: str = machine) -> bool:
            return r.machine == machine and (r.verdict == "not comparable") == apart

        add(f"Published costs beside ours {where}", lambda r: here(r, apart=False))
        add(f"Published costs, not comparable with ours {where}", lambda r: here(r, apart=True))
    add("Published costs that nothing here answers to yet", lambda r: not r.machine)
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
    unit = _UNITS[r.unit]
    here = "" if r.measured is None else f"{r.measured:.3g} {unit}"
    note = {"context": r.note or r.setting, "not run": r.reason}.get(r.verdict, r.reason)
    steps = "" if r.inner_steps is None else str(r.inner_steps)
    interval = "" if r.interval is None else f"{digits(r.interval)} ({r.rounds})"
    return Line(
        f"{r.paper}/{r.cell}",
        (
            *(r.claim, r.variant, r.order or "", r.engine or "", steps),
            *(f"{r.published:g} {unit}", here, interval, MARKS.get(r.verdict, r.verdict)),
        ),
        note,
    )


def _percent(share: float | None, places: int = 0) -> str:
    return "" if share is None else f"{100 * share:.{places}f}%"


def _threads(count: int) -> str:
    return f"{count} thread{'s' * (count > 1)}"
