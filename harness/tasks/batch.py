"""A batch of supervised tasks: support and query sets stacked on a leading task axis."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class SupervisedBatch:
    """T tasks with S support and Q query examples each.

    Classification: `support_x` [T, S, C, H, W] float in [0, 1] (or normalised by channel,
    where a switch says so), `support_y` [T, S] int64 in
    [0, ways); examples are ordered by class (all shots of class 0, then of class 1, …).
    Regression: `support_x` [T, S, d] and `support_y` [T, S, 1] float.
    """

    support_x: Tensor
    support_y: Tensor
    query_x: Tensor
    query_y: Tensor

    def __len__(self) -> int:
        return self.support_x.shape[0]
