"""What happens to a meta-gradient before the outer optimiser sees it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from harness.meta_gradient.problem import MetaGradient


@dataclass(frozen=True)
class Outer:
    """Reduction over tasks and clipping."""

    reduction: Literal["mean", "sum"]
    """Over the tasks of the meta-batch."""
    clip_value: float
    """Entries are cut to ± this (MAML's code: 10 on mini-ImageNet); 0: not."""
    clip_norm: float
    """The whole gradient, learned rates included, is scaled down to this norm; 0: not."""

    def __call__(self, mean: MetaGradient, tasks: int) -> MetaGradient:
        """Apply reduction, then the cut by value, then the one by norm."""
        groups = [mean.gradients, mean.rate_gradients]
        if self.reduction == "sum":
            groups = [{k: g * tasks for k, g in group.items()} for group in groups]
        if self.clip_value:
            bound = self.clip_value
            groups = [{k: g.clamp(-bound, bound) for k, g in group.items()} for group in groups]
        if self.clip_norm:
            by = _scale([g for group in groups for g in group.values()], self.clip_norm)
            groups = [{k: g * by for k, g in group.items()} for group in groups]
        loss = mean.loss * tasks if self.reduction == "sum" else mean.loss
        return replace(mean, loss=loss, gradients=groups[0], rate_gradients=groups[1])


def _scale(gradients: list[Tensor], norm: float) -> Tensor:
    total = torch.nn.utils.get_total_norm(gradients)
    return (norm / (total + 1e-6)).clamp(max=1.0)
