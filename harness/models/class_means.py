"""The mean feature of each class of a support set."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def class_means(features: Tensor, labels: Tensor) -> Tensor:
    """Average features [T, S, D] by label [T, S]: [T, ways, D].

    Labels are 0 … ways - 1 in any order, each of them at least once in every task, so that the
    ways are one more than the largest label of the first task.
    """
    member = F.one_hot(labels, int(labels[0].max()) + 1).to(features.dtype)
    return member.transpose(1, 2) @ features / member.sum(1).unsqueeze(-1)
