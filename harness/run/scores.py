"""Per-task scores of a method over many tasks, in chunks that fit in memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.method import Method
from harness.tasks.source import TaskSource

Scores = dict[str, np.ndarray]


def open_test(method: Method, tasks: TaskSource, at_once: int) -> None:
    """End training: show the method the training tasks it asks for, then open the test split."""
    for first in range(0, method.calibration_tasks, at_once):
        count = min(at_once, method.calibration_tasks - first)
        method.calibrate(tasks.batch("train", first, count))
    tasks.end_training()


def evaluate(
    method: Method,
    tasks: TaskSource,
    split: str,
    count: int,
    at_once: int,
    done: Callable[[int], None] | None = None,
) -> Scores:
    """Score tasks 0 … count-1 of `split`: metric name -> [count] float64.

    `done` is called after each chunk with the number of tasks it had."""
    parts: dict[str, list[np.ndarray]] = {}
    for first in range(0, count, at_once):
        batch = tasks.batch(split, first, min(at_once, count - first))
        for name, values in method.evaluate(batch).items():
            parts.setdefault(name, []).append(values.detach().double().cpu().numpy())
        if done is not None:
            done(len(batch))
    return {name: np.concatenate(found) for name, found in parts.items()}


def add_best_of_steps(scores: Scores) -> Scores:
    """Add `<name>@best` for each family `<name>@k`, k ≥ 1: the scores of the step with the best
    mean. It is chosen on the very tasks it reports, as some published tables do."""
    found = dict(scores)
    families = sorted({name.partition("@")[0] for name in scores if "@" in name})
    for family in families:
        steps = [n for n in scores if n.startswith(f"{family}@") and not n.endswith("@0")]
        choose = max if family.startswith("accuracy") else min
        if steps:
            found[f"{family}@best"] = scores[choose(steps, key=lambda n: scores[n].mean())]
    return found
