"""From one kept checkpoint to the ordered list of what every switch is worth."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.compare.numbers import width
from harness.compare.statistics import Estimate, task_estimate
from harness.errors import HarnessError
from harness.explain.alternatives import (
    EPISODES,
    STEPS,
    Alternative,
    alternatives,
    is_evaluation,
    of,
    unique,
)
from harness.explain.effect import NESTED, NONE, PAIRED, TRAINED, EffectRow, effect, nested_effect
from harness.explain.elsewhere import BUDGET, PAPER, Difference
from harness.explain.kept import Kept
from harness.explain.question import MANY
from harness.metric import read_metric
from harness.progress import Progress
from harness.run.scores import Scores


@dataclass
class Explaining:
    """One checkpoint with what is the same for all rows."""

    kept: Kept
    apart: list[Difference]
    count: int
    """Test tasks of every comparison."""
    metric: str
    scores: Scores
    """Of the run as it is, on those tasks."""
    fewest: dict[str, Any]
    """Switches that leave out test steps which `metric` does not need."""
    progress: Progress

    def tested(self, todo: list[Alternative]) -> Iterator[EffectRow]:
        """Test again under each alternative; one that cannot be tested is a row that says why, and
        one that leaves the test as it is, or as another one does, is tested once."""
        base = self.scores[self.metric]
        seen = {self.kept.retest(self.fewest, self.count).signature: "here"}
        for a in todo:
            try:
                retest = self.kept.retest(self.fewest | {a.switch: a.value}, self.count)
                own = f"with {a.switch} = {a.value}"
                same = seen.setdefault(retest.signature, own)
                if same != own:
                    yield self.row(a, note=f"at test the same as {same}")
                    continue
                if self.metric not in (given := retest.metrics()):
                    yield self.row(a, note=f"gives {given[0]}, not {self.metric}")
                    continue
                scores = self.kept.scores(retest, self.progress.add)[self.metric]
            except HarnessError as e:
                yield self.row(a, note=str(e))
                continue
            yield self.row(a, scores, base, PAIRED)

    def steps(self) -> Iterator[EffectRow]:
        """Compare the test step of `metric` with the others, and with the best of them; none where
        k of name@k counts something else."""
        if not self.kept.has_steps:
            return
        judged = read_metric(self.metric)
        base = self.scores[self.metric]
        others = [m for m in map(read_metric, self.scores) if m.family == judged.family and m.at]
        for other in (m for m in others if m.at not in (judged.at, "0")):
            scores, note = self.scores[other.name], ""
            if other.chosen_on_test:
                steps = (m for m in others if not m.chosen_on_test)
                chosen = next(m.at for m in steps if self.scores[m.name] is scores)
                note = f"step {chosen}, chosen on the test tasks themselves"
            yield self.row(Alternative(STEPS, other.at), scores, base, PAIRED, note, here=judged.at)

    def episodes(self, asked: tuple[int, ...]) -> Iterator[EffectRow]:
        """Compare the number of test tasks with others: with those asked for by tests, with those
        that others have by what they would do to the interval."""
        here, base = str(self.count), self.scores[self.metric]
        theirs = [int(d.value) for d in self.apart if d.switch == EPISODES]
        for n in dict.fromkeys([*asked, *theirs, MANY]):
            a = Alternative(EPISODES, n)
            if n == self.count:
                continue
            if n not in asked and n > self.count:
                half = _half_width(base) * math.sqrt(self.count / n)
                note = f"the mean's interval would be ± {width(self.metric, half)}; --episodes {n} "
                yield self.row(a, note=f"{note}measures it", here=here)
                continue
            more = base[:n]
            if n > self.count:
                retest = self.kept.retest(self.fewest, n)
                more = self.kept.scores(retest, self.progress.add)[self.metric]
                base = more[: self.count]
            halves = (width(self.metric, _half_width(s)) for s in (base, more))
            note = "the mean's interval: ± {}, instead ± {}".format(*halves)
            yield self.row(a, more, base, NESTED, note, here=here)

    def untried(self, tried: list[EffectRow]) -> Iterator[EffectRow]:
        """Name what separates the run from others and has no row yet."""
        there = {(r.switch, r.instead) for r in tried}
        for d in self.apart:
            if (d.switch, str(d.value)) in there or is_evaluation(d.switch):
                continue
            there.add((d.switch, str(d.value)))
            r = self.kept.record
            note = "kept weights cannot say: a training switch; --train BUDGET trains pairs"
            if d.switch == BUDGET:
                note = f"kept weights cannot say; harness run {self.kept.cell.key} goes on training"
            here = r.budget if d.switch == BUDGET else None
            yield self.row(Alternative(d.switch, d.value), note=note, here=here)

    def row(
        self,
        a: Alternative,
        scores: np.ndarray | None = None,
        base: np.ndarray | None = None,
        comparison: str = NONE,
        note: str = "",
        here: str | None = None,
        budget: str = "",
    ) -> EffectRow:
        """Return the row of `scores` [tasks] against `base`; without them, one that has none."""
        estimate: Estimate | None = None
        if scores is not None and base is not None:
            short = scores.size < 2 or abs(scores.size - base.size) == 1
            if short or not (np.isfinite(scores).all() and np.isfinite(base).all()):
                why = "too few tasks for an interval" if short else "a score that is not finite"
                note, comparison = "; ".join(filter(None, (why, note))), NONE
            elif comparison == NESTED:
                estimate = nested_effect(base, scores)
            else:
                estimate = effect(base, scores)
        return EffectRow(
            metric=self.metric,
            switch=a.switch,
            here=str(of(self.kept.protocol, a.switch)) if here is None else here,
            instead=str(a.value),
            mean=float(scores.mean()) if estimate and scores is not None else None,
            effect=estimate.value if estimate else None,
            interval=estimate.half_width() if estimate else None,
            p=estimate.p_zero() if estimate and comparison != TRAINED else None,
            tasks=len(scores) if estimate and scores is not None else None,
            comparison=comparison,
            budget=budget,
            differs_from=self._theirs(a),
            note=note,
        )

    def _theirs(self, a: Alternative) -> tuple[str, ...]:
        sources = [
            d.where for d in self.apart if (d.switch, str(d.value)) == (a.switch, str(a.value))
        ]
        if a.switch == STEPS:
            # Printed numbers name their step.
            name = f"{read_metric(self.metric).family}@{a.value}"
            sources += [
                line.source.partition(",")[0]
                for line in self.kept.cell.published
                if self.kept.record.variant in line.variants and line.metric == name
            ]
        return tuple(dict.fromkeys(sources))


def again(kept: Kept, apart: list[Difference]) -> list[Alternative]:
    """Return the alternatives that need the test done again: of each switch, and what others
    have."""
    protocol = kept.protocol
    known = alternatives(kept.cell.variant(kept.record.variant, kept.overrides))
    more = [
        Alternative(d.switch, d.value)
        for d in apart
        if is_evaluation(d.switch) and not d.switch.startswith("testing.") and d.switch != STEPS
    ]
    more = [a for a in more if of(protocol, a.switch) is not None and a not in known]
    return known + unique(more)


def fewer_or_more(kept: Kept, count: int) -> list[Difference]:
    """Return the paper's number of test tasks as a difference, if it is not `count`."""
    theirs = kept.published.testing.tasks
    return [Difference(PAPER, EPISODES, theirs, "paper.toml")] if theirs != count else []


def _half_width(scores: np.ndarray) -> float:
    return task_estimate(scores[None]).half_width()
