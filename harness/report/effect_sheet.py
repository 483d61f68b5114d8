"""What switches are worth, as text before any format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.compare.numbers import number, p_value, width
from harness.explain.effect import TRAINED, EffectRow
from harness.explain.explanation import Explanation
from harness.report.sheet import Line, Section

HEADER = ("switch", "here", "instead", "mean", "effect", "± 95 %", "p", "tasks", "compared")


def explanation_sections(explanations: Sequence[Explanation]) -> list[Section]:
    """Lay out each explanation: what was measured, in its order, and below it what was not."""
    return [section for e in explanations for section in _sections(e)]


def without_p_of_trainings(e: Explanation) -> Explanation:
    """Return an explanation in which no difference of two trainings has a p, as older ones had: one
    training a side says nothing of the switch."""
    rows = (replace(r, p=None) if r.comparison == TRAINED else r for r in e.rows)
    return replace(e, rows=type(e.rows)(rows))


def _sections(e: Explanation) -> Iterator[Section]:
    measured = [r for r in e.rows if r.effect is not None]
    rest = [r for r in e.rows if r.effect is None]
    for title, rows in ((_title(e), measured), (f"{_run(e)}: not measured", rest)):
        if rows:
            yield Section(title, HEADER, tuple(_line(e, r) for r in rows), left=3)


def _run(e: Explanation) -> str:
    stand_in = ", stand-in data" if e.synthetic else ""
    # As rows of records say it (harness/compare/caveats.py).
    unclean = e.tested.get("clean") is False
    code = ", tested from a working tree with changes that are in no commit" if unclean else ""
    return f"{e.key}/{e.variant} seed {e.seed}, budget {e.budget}{stand_in}{code}"


def _title(e: Explanation) -> str:
    printed = f"; printed: {'; '.join(e.published)}" if e.published else ""
    return (
        f"{_run(e)}: {e.metric} {number(e.metric, e.mean)} ± {width(e.metric, e.interval)} "
        f"({e.tasks} test tasks){printed}. Effect of one switch: instead - here, 95 % intervals "
        f"over test tasks, p not corrected for the number of switches"
    )


def _line(e: Explanation, r: EffectRow) -> Line:
    separates = f"separates this run from {', '.join(r.differs_from)}" if r.differs_from else ""
    return Line(
        e.key,
        (
            *(r.switch, r.here, r.instead, number(r.metric, r.mean)),
            *(number(r.metric, r.effect, sign=True), width(r.metric, r.interval)),
            "" if r.p is None else p_value(r.p),
            "" if r.tasks is None else str(r.tasks),
            f"{r.comparison}, budget {r.budget}" if r.budget else r.comparison,
        ),
        "; ".join(part for part in (separates, r.note) if part),
    )
