"""Per-task scores of a method over many tasks, in chunks that fit in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from harness.method import Method
from harness.metric import Metric, read_metric
from harness.tasks.source import TaskSource

Scores = dict[str, np.ndarray]


def open_test(method: Method, tasks: TaskSource, at_once: int) -> None:
    """End training: show the method the training tasks it asks for, then open the test split."""
    for first in range(0, method.calibration_tasks, at_once):
        count = min(at_once, method.calibration_tasks - first)
        method.calibrate(tasks.batch("train", first, count))
    tasks.end_training()


def scored_chunks(
    method: Method,
    tasks: TaskSource,
    split: str,
    count: int,
    at_once: int,
    first: int = 0,
    label: str = "",
) -> Iterator[Scores]:
    """Score tasks `first` … count-1 of `split`, `at_once` of them at a time. What is done before
    shows its progress under `label`, if one is given."""
    score = method.scoring(tasks, split, count, label)
    for start in range(first, count, at_once):
        scores = score(start, min(at_once, count - start))
        yield {name: v.detach().double().cpu().numpy() for name, v in scores.items()}


def joined(chunks: Sequence[Scores]) -> Scores:
    """Put chunks of scores together."""
    return {name: np.concatenate([c[name] for c in chunks]) for name in chunks[0]}


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
    chunks = []
    for chunk in scored_chunks(method, tasks, split, count, at_once):
        chunks.append(chunk)
        if done is not None:
            done(len(next(iter(chunk.values()))))
    return joined(chunks)


def add_best_of_steps(scores: Scores) -> Scores:
    """Add `<name>@best` for each family `<name>@k`, k ≥ 1: the scores of the step with the best
    mean. It is chosen on the very tasks it reports, as some published tables do."""
    steps: dict[str, list[Metric]] = {}
    for metric in map(read_metric, scores):
        if metric.at not in ("", "0"):
            steps.setdefault(metric.family, []).append(metric)
    with_best = dict(scores)
    for family in sorted(steps):
        choose = max if steps[family][0].higher_is_better else min
        best = choose(steps[family], key=lambda metric: scores[metric.name].mean())
        with_best[best.best_of_steps().name] = scores[best.name]
    return with_best
