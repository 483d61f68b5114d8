"""What all methods here share: the metric, and scores that hang on a task's block alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from harness.method import Method
from harness.tasks.source import BLOCK


class ScoredByBlocks(Method):
    """A method whose draws at test come from one generator a block of tasks."""

    def scoring(
        self, tasks: Any, split: str, count: int, label: str = ""
    ) -> Callable[[int, int], dict[str, Tensor]]:
        """Score whole blocks of tasks, so that a task's reward does not hang on which tasks are
        asked for with it."""

        def score(first: int, n: int) -> dict[str, Tensor]:
            start = first - first % BLOCK
            blocks = range(start, first + n, BLOCK)
            rewards = [self.evaluate(tasks.batch(split, at, BLOCK))["reward"] for at in blocks]
            return {"reward": torch.cat(rewards)[first - start : first - start + n]}

        return score

    @classmethod
    def metrics(cls, settings: Any) -> tuple[str, ...]:
        """Name the metric of `evaluate`."""
        return ("reward",)
