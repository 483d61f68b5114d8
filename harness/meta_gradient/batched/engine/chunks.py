"""How many tasks go through the engine together, so that memory stays within a budget.

The bytes a task takes are measured, not modelled: once for one task and once for two, by counting
the tensors alive. That holds for any model and on any device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from harness.errors import HarnessError

ENOUGH = 8
"""Tasks that keep a processor busy; below, more tasks are worth more than kept activations."""


HEADROOM = 1.5
"""Times what one task takes: a budget that is not strict gives way so far, which lets a task of
large images keep activations that would otherwise be computed twice."""

SECOND = 0.75
"""Times what one task takes: with less room beside it, a second one is not tried."""


@dataclass(frozen=True)
class Chunks:
    """How the tasks of a meta-batch are worked on."""

    tasks: int
    """At once."""
    keep: int
    """Inner steps whose activations are kept for the way back; the others' are computed again."""


def fitting(
    measured: Callable[[Chunks], int], tasks: int, steps: int, budget_bytes: int, strict: bool
) -> Chunks:
    """Choose chunks for `tasks` tasks and `steps` inner steps that stay below `budget_bytes`.

    `measured(chunks)` gives the most bytes that the work takes in them. Where not even one task
    fits, a `strict` budget is refused in one sentence, and another one gives way.
    """
    peak = cache(measured)
    least = min(steps, 1)
    one = peak(Chunks(1, least))
    if one > budget_bytes and strict:
        raise HarnessError(
            f"found that one task needs {_mb(one)}, wanted at most {_mb(budget_bytes)}: "
            "give a larger memory budget."
        )
    if not strict:
        budget_bytes = max(budget_bytes, int(HEADROOM * one))
    each, more = one, 0
    if tasks > 1:
        if budget_bytes - one > SECOND * one:
            each = max(1, peak(Chunks(2, least)) - one)
        # What one more kept step takes, from keeping all: a single one may hide below the peak.
        kept = peak(Chunks(1, steps)) - one if steps > least else 0
        more = max(0, kept) // max(1, steps - least)
    room = budget_bytes - (one - each)
    count = max(1, min(tasks, room // each))
    keep = steps
    if more:
        few = min(count, ENOUGH)
        keep = min(steps, least + (room // few - each) // more)
        count = max(1, min(tasks, room // (each + (keep - least) * more)))
    chosen = Chunks(_even(tasks, count), keep)
    # The straight line only guesses the peak of many stages: measure, and take less where it is
    # off.
    while (peak_bytes := peak(chosen)) > budget_bytes and chosen != Chunks(1, least):
        fewer = min(chosen.tasks - 1, int(chosen.tasks * budget_bytes / peak_bytes))
        if fewer >= min(tasks, 2) or chosen.keep == least:
            chosen = Chunks(_even(tasks, max(1, fewer)), chosen.keep)
        else:
            chosen = Chunks(chosen.tasks, max(least, chosen.keep // 2))
    return chosen


def _even(tasks: int, most: int) -> int:
    """Return the size of equal parts of at most `most`."""
    parts = -(-tasks // most)
    return -(-tasks // parts)


def _mb(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
