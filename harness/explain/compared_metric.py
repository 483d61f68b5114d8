"""Which metric is compared, and how many test steps that takes."""

from __future__ import annotations

from typing import Any

from harness.errors import HarnessError, closest
from harness.explain.alternatives import STEPS, of
from harness.explain.kept import Kept
from harness.metric import read_metric
from harness.run.scores import Scores


def compared_metric(kept: Kept, metric: str | None, scores: Scores) -> str:
    """Return the metric asked for, or what is printed for this variant, or what its run watched; of
    several that are printed, the one watched.

    `…@best` is not taken unless asked for: the best of the steps is itself one of the alternatives.
    """
    if metric is not None:
        if metric not in scores:
            raise HarnessError(
                f"--metric: found {metric!r}{closest(metric, scores)}; "
                f"wanted one of {', '.join(scores)}."
            )
        return metric
    r = kept.record
    printed = [line.metric for line in kept.cell.published if r.variant in line.variants]
    definite = [m for m in printed if not read_metric(m).chosen_on_test]
    watched = str(of(r.protocol, "training.validation_metric"))
    first = [watched] if watched in definite else []
    return next((m for m in [*first, *definite, watched] if m in scores), next(iter(scores)))


def fewest_steps(kept: Kept, metric: str) -> dict[str, Any]:
    """Return the switch that leaves out test steps after those of `metric` and of validation:
    scores up to there stay what they are. Empty where there are no steps, or the metric needs them
    all."""
    steps = of(kept.record.protocol, STEPS)
    watched = str(of(kept.record.protocol, "training.validation_metric"))
    named = [read_metric(m).at for m in (metric, watched)]
    if steps is None or not kept.has_steps or not all(n.isdigit() for n in named):
        return {}
    needed = max(int(n) for n in named)
    if not 1 <= needed < steps:
        return {}
    try:
        kept.retest({STEPS: needed}, 2)
    except HarnessError:  # some methods need all steps that they were made with
        return {}
    return {STEPS: needed}
