"""The best of a training's weights so far, for a selection that tests several of them together."""

from __future__ import annotations

import math
from typing import Any, TypedDict

from torch import Tensor

from harness.metric import read_metric

Weights = dict[str, Tensor]
ENSEMBLES = {"ensemble-of-best-3": 3, "ensemble-of-best-5": 5}
"""Members by `training.selection`."""


class Member(TypedDict):
    """Weights that were looked at, as a checkpoint keeps them."""

    value: float
    """On the validation tasks."""
    iteration: int
    weights: Weights


def among_best(
    members: list[Member], metric: str, value: float, iteration: int, weights: Weights, most: int
) -> list[Member]:
    """Return the best of `members` and one more, at most `most` of them, the best one first.

    Of equal ones the later is better; a value that is not finite is no member.
    """
    if not math.isfinite(value):
        return members
    new = Member(value=value, iteration=iteration, weights=weights)
    sign = 1 if read_metric(metric).higher_is_better else -1
    ranked = sorted([*members, new], key=lambda m: (sign * m["value"], m["iteration"]))
    return ranked[::-1][:most]


def is_member(x: Any) -> bool:
    """Whether it is what a checkpoint keeps of a member."""
    if not isinstance(x, dict) or x.keys() != Member.__annotations__.keys():
        return False
    numbers = type(x["value"]) in (int, float) and type(x["iteration"]) is int
    return numbers and x["iteration"] >= 0 and isinstance(x["weights"], dict)
