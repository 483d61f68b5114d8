"""What switches are worth, as text before any format."""

from __future__ import annotations

from collections.abc import Sequence

from harness.compare.numbers import number, p_value, width
from harness.explain.effect import EffectRow
from harness.report.sheet import Line, Section


def effect_sections(title: str, rows: Sequence[EffectRow]) -> list[Section]:
    """Lay out measured alternatives in their order, and below them those that were not measured."""
    header = ("switch", "here", "instead", "mean", "effect", "± 95 %", "p", "tasks", "compared")
    parts = {
        title: [r for r in rows if r.effect is not None],
        "Not measured": [r for r in rows if r.effect is None],
    }
    return [
        Section(name, header, tuple(_line(r) for r in found), left=3)
        for name, found in parts.items()
        if found
    ]


def _line(r: EffectRow) -> Line:
    separates = f"separates this run from {', '.join(r.differs_from)}" if r.differs_from else ""
    return Line(
        f"{r.paper}/{r.cell}",
        (
            *(r.switch, r.here, r.instead, number(r.metric, r.mean)),
            *(number(r.metric, r.effect, sign=True), width(r.metric, r.interval)),
            "" if r.p is None else p_value(r.p),
            "" if r.tasks is None else str(r.tasks),
            r.comparison,
        ),
        "; ".join(part for part in (separates, r.note) if part),
    )
