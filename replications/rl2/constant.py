"""A strategy's constant that is chosen on validation tasks: the one that earns most there."""

from __future__ import annotations

import abc
from typing import Any

import torch
from torch import Tensor

from harness.methods.untrained import Untrained
from replications.rl2.blocks import ScoredByBlocks


class ChosenConstant(ScoredByBlocks, Untrained, abc.ABC):
    """A strategy with a constant, one of `settings.grid`; of equally good ones it is the first."""

    settings: Any

    def build(self, tasks: Any) -> None:
        """Start with the first value of the grid."""
        self.constant = torch.tensor(self.settings.grid[0], dtype=torch.float64, device=self.device)

    def finalise(self, validation: Any) -> None:
        """Choose the constant by its mean reward."""
        means = []
        for value in self.settings.grid:
            self.constant.fill_(value)
            means.append(float(self.evaluate(validation)["reward"].mean()))
        self.constant.fill_(self.settings.grid[means.index(max(means))])

    def weights(self) -> dict[str, Tensor]:
        """Return the constant."""
        return {"constant": self.constant}

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Take the constant."""
        self.constant.copy_(weights["constant"])

    def training_note(self) -> str:
        """Return the constant that was chosen."""
        return f"constant {float(self.constant):g}, chosen on validation tasks"
