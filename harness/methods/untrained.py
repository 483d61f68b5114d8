"""Baselines without training: no weights, and no state of training."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from harness.method import Method


class Untrained(Method):
    """Scores tasks as it is. A subclass says how (`evaluate`), and which loss its training, which
    changes nothing, reports (`train_step`)."""

    def build(self, tasks: Any) -> None:
        """Do nothing: there are no weights."""

    def weights(self) -> dict[str, Tensor]:
        """Return no weights."""
        return {}

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Take no weights."""

    def training_state(self) -> dict[str, Any]:
        """Return nothing: training has no state."""
        return {}

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take nothing."""
