"""RMSProp as TensorFlow 1 has it (`tf.train.RMSPropOptimizer`), which torch's is not.

Torch starts the running mean of squared gradients at 0 and adds epsilon to its root. TensorFlow
starts it at 1, so that the first steps are short (after t steps of decay 0.95 the start still
weighs 0.95^t), and adds epsilon under the root.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor


class TensorFlowRMSprop(torch.optim.Optimizer):
    """With g the gradient, s = decay s + (1 - decay) g², from s = 1; b = momentum b + rate g /
    sqrt(s + epsilon); w = w - b. `centred` takes the square of the gradient's running mean, which
    starts at 0, from s.

    Source: TensorFlow 1.15, `ApplyRMSProp` and `ApplyCenteredRMSProp` of `training_ops.cc`, and
    the starts of `python/training/rmsprop.py`.
    """

    def __init__(
        self,
        weights: Iterable[Tensor],
        rate: float,
        decay: float,
        momentum: float,
        epsilon: float,
        *,
        centred: bool,
    ) -> None:
        """Hold `weights`; their state begins with the first step."""
        names = {"rate": rate, "decay": decay, "momentum": momentum, "epsilon": epsilon}
        super().__init__(weights, {**names, "centred": centred})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take one step by the gradients; `closure` is not called."""
        for group in self.param_groups:
            for w in group["params"]:
                if w.grad is not None:
                    self._update(w, w.grad, group)

    def _update(self, w: Tensor, g: Tensor, group: dict[str, float]) -> None:
        state = self.state[w]
        if not state:
            state["square"] = torch.ones_like(w)
            state["momentum"] = torch.zeros_like(w)
            if group["centred"]:
                state["mean"] = torch.zeros_like(w)
        square = state["square"]
        square.lerp_(g * g, 1 - group["decay"])
        divisor = square + group["epsilon"]
        if group["centred"]:
            state["mean"].lerp_(g, 1 - group["decay"])
            divisor -= state["mean"] ** 2
        state["momentum"].mul_(group["momentum"]).addcdiv_(g, divisor.sqrt_(), value=group["rate"])
        w.sub_(state["momentum"])
