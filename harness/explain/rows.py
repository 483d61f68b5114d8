"""From one kept checkpoint to the ordered list of what every evaluation switch is worth."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from harness.compare.statistics import Estimate
from harness.errors import HarnessError, closest
from harness.explain.alternatives import (
    EPISODES,
    STEPS,
    Alternative,
    alternatives,
    chosen,
    is_evaluation,
    of,
)
from harness.explain.effect import EffectRow, effect, nested_effect
from harness.explain.elsewhere import Difference, differences
from harness.explain.kept import Kept, Setting
from harness.run.loop import summary
from harness.run.scores import Scores


@dataclass(frozen=True)
class Explanation:
    """The run as it was tested, and a row for each alternative, the largest effect first."""

    title: str
    rows: list[EffectRow]


def explain(
    kept: Kept,
    metric: str | None,
    switches: Sequence[str],
    episodes: Sequence[int],
    tasks: int | None,
) -> Explanation:
    """Test `kept` under every alternative of `switches` (none = all), each on the same test seed.

    `tasks` is the number of test tasks (as recorded unless told), `episodes` what it is compared
    with. Raises HarnessError for an unknown metric or switch, and fewer than two tasks; an
    alternative that its tasks or method refuse is a row that says why.
    """
    here = kept.setting({}, tasks)
    apart = differences(kept.record, kept.cell)
    again = _alternatives(here, apart)
    names = [*(a.switch for a in again), STEPS, EPISODES, *(d.switch for d in apart)]
    wanted = chosen(switches, names)
    count = here.plan.budget.test_tasks
    if min(count, *episodes, count) < 2:
        raise HarnessError(f"found {min(count, *episodes)} test tasks, wanted two or more.")
    scores = kept.scores(here)
    name = _metric(kept, metric, scores)
    row = partial(_row, kept, name, apart)
    rows = list(_steps(row, name, scores)) if STEPS in wanted else []
    seen = {here.signature: f"{here.plan.variant.name} as it is"}
    for number, a in enumerate(todo := [a for a in again if a.switch in wanted], 1):
        _say(f"{number} of {len(todo)}: {a.switch}={a.value}")
        rows.append(_tested(kept, here, scores[name], name, a, count, seen, row))
    for n in _counts(episodes, apart) if EPISODES in wanted else []:
        if n != count:
            _say(f"{n} test tasks")
            rows.append(_episodes(kept, n, count, scores, name, row))
    done = {(r.switch, r.instead) for r in rows}
    for d in apart:
        if (
            d.switch in wanted
            and not is_evaluation(d.switch)
            and (d.switch, str(d.value)) not in done
        ):
            done.add((d.switch, str(d.value)))
            note = "a training switch: kept weights cannot say; train anew with --set"
            rows.append(row(Alternative(d.switch, d.value), None, None, 0, "none", note))
    rows.sort(key=lambda r: -1.0 if r.effect is None else abs(r.effect), reverse=True)
    return Explanation(_title(kept, name, scores[name], here), rows)


def _alternatives(here: Setting, apart: list[Difference]) -> list[Alternative]:
    """Give those of the switches themselves, and the values that others have."""
    known = alternatives(here.plan.variant)
    table = here.plan.variant.protocol()
    more = [
        Alternative(d.switch, d.value)
        for d in apart
        if is_evaluation(d.switch)
        and not d.switch.startswith("testing.")
        and d.switch != STEPS
        and of(table, d.switch) is not None
    ]
    return known + [a for a in dict.fromkeys(more) if a not in known]


def _tested(
    kept: Kept,
    here: Setting,
    base: np.ndarray,
    name: str,
    a: Alternative,
    count: int,
    seen: dict[str, str],
    row: Any,
) -> EffectRow:
    try:
        setting = kept.setting({a.switch: a.value}, count)
        same = seen.get(setting.signature)
        seen.setdefault(setting.signature, f"{a.switch}={a.value}")
        if same:
            found: EffectRow = row(a, None, None, 0, "none", f"the same test as {same}")
            return found
        scores = kept.scores(setting)[name]
    except HarnessError as e:
        found = row(a, None, None, 0, "none", str(e))
        return found
    paired = setting.support == here.support
    found = row(a, scores, _estimate(base, scores, paired), count, _words(paired), "")
    return found


def _steps(row: Any, name: str, scores: Scores) -> list[EffectRow]:
    """Compare the test step that is reported with the others, and with the best of them."""
    family, _, step = name.partition("@")
    others = [n for n in scores if n.startswith(f"{family}@") and n not in (name, f"{family}@0")]
    return [
        row(
            Alternative(STEPS, n.partition("@")[2]),
            scores[n],
            _estimate(scores[name], scores[n], True),
            len(scores[n]),
            "paired",
            "chosen on the test tasks themselves" if n.endswith("@best") else "",
            step,
        )
        for n in others
    ]


def _episodes(kept: Kept, n: int, count: int, scores: Scores, name: str, row: Any) -> EffectRow:
    more = kept.scores(kept.setting({}, n))[name] if n > count else scores[name][:n]
    base = scores[name]
    note = ""
    if name.endswith("@best"):
        # The best step may be another on other tasks: the common step is compared.
        note = "each with its own best step" if n > count else "by the step of the run"
    finite = np.isfinite(base).all() and np.isfinite(more).all() and abs(n - count) > 1
    found = nested_effect(base, more) if finite else None
    result: EffectRow = row(Alternative(EPISODES, n), more, found, n, "nested", note, str(count))
    return result


def _row(
    kept: Kept,
    name: str,
    apart: list[Difference],
    a: Alternative,
    scores: np.ndarray | None,
    found: Estimate | None,
    tasks: int,
    comparison: str,
    note: str,
    here: str | None = None,
) -> EffectRow:
    r = kept.record
    theirs = [d.where for d in apart if d.switch == a.switch and str(d.value) == str(a.value)]
    if scores is not None and found is None:
        note = "a score that is not finite, or too few tasks for an interval"
    return EffectRow(
        paper=r.paper,
        cell=r.cell,
        variant=r.variant,
        metric=name,
        switch=a.switch,
        here=here or str(of(r.protocol, a.switch)),
        instead=str(a.value),
        mean=float(scores.mean()) if scores is not None and found else None,
        effect=found.value if found else None,
        interval=found.half_width() if found else None,
        p=found.p_zero() if found else None,
        tasks=tasks if scores is not None else None,
        comparison=comparison,
        differs_from=tuple(dict.fromkeys(theirs)),
        note=note,
    )


def _estimate(here: np.ndarray, instead: np.ndarray, paired: bool) -> Estimate | None:
    if not (np.isfinite(here).all() and np.isfinite(instead).all()):
        return None
    return effect(here, instead, paired)


def _metric(kept: Kept, metric: str | None, scores: Scores) -> str:
    """Give the metric asked for, or what the paper prints for this variant, or what it watched."""
    if metric is not None:
        if metric not in scores:
            raise HarnessError(
                f"--metric: found {metric!r}{closest(metric, scores)}; "
                f"wanted one of {', '.join(scores)}."
            )
        return metric
    r = kept.record
    printed = [line.metric for line in kept.cell.published if r.variant in line.variants]
    watched = str(of(r.protocol, "training.validation_metric"))
    return next((m for m in [*printed, watched] if m in scores), next(iter(scores)))


def _counts(episodes: Sequence[int], apart: list[Difference]) -> list[int]:
    theirs = [d.value for d in apart if d.switch == EPISODES and isinstance(d.value, int)]
    return list(dict.fromkeys([*episodes, *theirs]))


def _words(paired: bool) -> str:
    return "paired" if paired else "unpaired"


def _title(kept: Kept, name: str, scores: np.ndarray, here: Setting) -> str:
    from harness.compare.numbers import number, width

    r, found = kept.record, summary(scores)
    stand_in = ", stand-in data" if here.tasks.synthetic else ""
    return (
        f"{here.plan.variant.key} seed {r.seed}, budget {r.budget}{stand_in}: {name} "
        f"{number(name, found.mean)} ± {width(name, found.ci95)} ({len(scores)} test tasks). "
        "What one switch is worth: instead - here, 95 % intervals over test tasks"
    )


def _say(what: str) -> None:
    print(f"harness: testing {what}", file=sys.stderr)
