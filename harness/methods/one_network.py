"""Methods with one network and one optimiser: what is kept of them, and how it is restored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from harness.method import Method


def adam(parameters: Iterable[nn.Parameter], rate: float, device: torch.device) -> torch.optim.Adam:
    """Return Adam with torch's other defaults. On a CUDA device its rate is a tensor, which a
    captured training step reads anew."""
    if device.type == "cpu":
        return torch.optim.Adam(parameters, lr=rate)
    there = torch.tensor(rate, dtype=torch.float32, device=device)
    return torch.optim.Adam(parameters, lr=there, fused=True, capturable=True)


class OneNetwork(Method):
    """All that is meta-trained is the state of one network, `model`, under one `optimiser`.

    `build` of a subclass sets both. What else a step needs (a rate that falls, noise) is a function
    of seed and iteration: nothing else is carried from one step to the next.
    """

    counted_in_training = True
    model: nn.Module
    optimiser: torch.optim.Optimizer

    def set_rate(self, rate: float) -> None:
        """Set the optimiser's rate in place."""
        (group,) = self.optimiser.param_groups
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate

    def weights(self) -> dict[str, Tensor]:
        """Return copies of weights and running statistics, laid out as safetensors wants them."""
        state = self.model.state_dict()
        return {k: v.clone(memory_format=torch.contiguous_format) for k, v in state.items()}

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Take weights and running statistics, in place: the optimiser holds the same tensors."""
        self.model.load_state_dict(weights)

    def training_state(self) -> dict[str, Any]:
        """Return the optimiser's state."""
        return {"optimiser": self.optimiser.state_dict()}

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take the optimiser's state."""
        self.optimiser.load_state_dict(state["optimiser"])
        for group in self.optimiser.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"] = group["lr"].to(self.device)  # the state was read on the CPU
