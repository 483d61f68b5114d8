"""A batch of supervised tasks: support and query sets stacked on a leading task axis."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from harness.errors import HarnessError


@dataclass(frozen=True)
class SupervisedBatch:
    """T tasks with S support and Q query examples each.

    Classification: `support_x` [T, S, C, H, W] float in [0, 1] (or normalised by channel,
    where a switch says so), `support_y` [T, S] int64 in
    [0, ways); examples are ordered by class (all shots of class 0, then of class 1, …).
    Regression: `support_x` [T, S, d] and `support_y` [T, S, 1] float.

    All tasks of a batch have equally many examples: sets of different sizes go into batches of
    their own.
    """

    support_x: Tensor
    support_y: Tensor
    query_x: Tensor
    query_y: Tensor

    def __post_init__(self) -> None:
        for name in ("support_x", "support_y", "query_x", "query_y"):
            value = getattr(self, name)
            if not isinstance(value, Tensor) or value.is_nested:
                kind = "a nested tensor" if isinstance(value, Tensor) else type(value).__name__
                raise HarnessError(
                    f"{name}: found {kind}, wanted one dense tensor [T, S, …]: tasks with "
                    "different numbers of examples go into batches of their own."
                )
        self._check_counts()

    def _check_counts(self) -> None:
        _same_examples("support", self.support_x, self.support_y)
        _same_examples("query", self.query_x, self.query_y)
        if len(self.support_x) != len(self.query_x):
            raise HarnessError(
                f"batch: found support sets of {len(self.support_x)} tasks and query sets of "
                f"{len(self.query_x)}, wanted both for every task."
            )

    def __len__(self) -> int:
        return self.support_x.shape[0]

    @property
    def ways(self) -> int:
        """Return how many classes the labels of a task name (waits for the device)."""
        return int(self.support_y[0].max()) + 1


@dataclass(frozen=True)
class EpisodeBatch(SupervisedBatch):
    """Episodes that also tell which classes their labels stand for, e.g. to pre-train on them."""

    classes: Tensor
    """[T, ways] int64: entry y is the id of the class labelled y (`Episodes.class_ids`)."""

    @property
    def ways(self) -> int:
        """Return how many classes the labels of a task name."""
        return self.classes.shape[1]


def _same_examples(of: str, x: Tensor, y: Tensor) -> None:
    if x.dim() < 2 or y.dim() < 2 or x.shape[:2] != y.shape[:2]:
        raise HarnessError(
            f"{of} set: found {of}_x of shape {tuple(x.shape)} and {of}_y of shape "
            f"{tuple(y.shape)}, wanted the same two first axes: tasks, examples of a task."
        )
