"""The contract of every way to compute a meta-gradient: it is the derivative of the meta-loss.

`check_meta_gradient` compares a claimed gradient with central finite differences in float64, along
random directions. It knows nothing of how the gradient was computed, so it catches whatever is
wrong with it: a detached inner loop, a carried-over state, an inverse Hessian.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.errors import HarnessError

Weights = Sequence[Tensor]


@dataclass(frozen=True)
class GradientCheck:
    """Outcome of one comparison with finite differences."""

    relative_error: float
    """Norm of (claimed - finite differences) over the norm of the latter, over all directions."""
    tolerance: float
    sentence: str

    @property
    def passed(self) -> bool:
        """Whether the claimed gradient is the derivative, to the tolerance."""
        return self.relative_error <= self.tolerance


def check_meta_gradient(
    meta_gradient: Callable[[list[Tensor]], Weights],
    meta_loss: Callable[[list[Tensor]], Tensor],
    weights: Weights,
    *,
    tolerance: float = 1e-5,
    step: float = 1e-5,
    directions: int = 8,
    seed: int = 0,
) -> GradientCheck:
    """Check that `meta_gradient(weights)` is the derivative of `meta_loss` at `weights`.

    `meta_loss` adapts to the tasks and gives the query loss, a float64 scalar. For a first-order
    method the derivative wanted is that of `w -> query_loss(adapted + w - weights)` with `adapted`
    held fixed: give that as `meta_loss`. Near a ReLU's kink a smaller `step` helps.
    """
    for w in weights:
        if w.dtype != torch.float64:
            raise HarnessError(
                f"check_meta_gradient: found weights of {w.dtype}, wanted torch.float64: "
                "in float32 right and wrong gradients look alike."
            )
    start = [w.detach().clone() for w in weights]
    claimed = [g.detach() for g in meta_gradient([w.clone() for w in start])]
    if [g.shape for g in claimed] != [w.shape for w in start]:
        raise HarnessError(
            f"check_meta_gradient: found gradient shapes {[tuple(g.shape) for g in claimed]}, "
            f"wanted {[tuple(w.shape) for w in start]}."
        )
    generator = torch.Generator().manual_seed(seed)
    along_claimed, along_true = [], []
    for _ in range(directions):
        # Drawn on the CPU, so that every device is checked along the same directions.
        draws = [torch.randn(w.shape, generator=generator, dtype=w.dtype) for w in start]
        direction = [d.to(w.device) for d, w in zip(draws, start, strict=True)]
        ahead = _value(meta_loss, start, direction, step)
        behind = _value(meta_loss, start, direction, -step)
        along_true.append((ahead - behind) / (2 * step))
        along_claimed.append(
            sum(float((g * d).sum()) for g, d in zip(claimed, direction, strict=True))
        )
    true = torch.tensor(along_true, dtype=torch.float64)
    difference = torch.tensor(along_claimed, dtype=torch.float64) - true
    # A meta-loss that is flat everywhere has no relative error; then the absolute one counts.
    scale = float(true.norm()) or 1.0
    error = float(difference.norm()) / scale
    if error != error:
        error = float("inf")  # nan compares false with everything, and would look like no verdict
    sentence = (
        f"the claimed meta-gradient differs from finite differences by {error:.1e} relative; "
        f"wanted at most {tolerance:.0e}."
    )
    return GradientCheck(error, tolerance, sentence)


def _value(
    meta_loss: Callable[[list[Tensor]], Tensor], start: Weights, direction: Weights, by: float
) -> float:
    moved = [w + by * d for w, d in zip(start, direction, strict=True)]
    return float(meta_loss(moved).detach())
