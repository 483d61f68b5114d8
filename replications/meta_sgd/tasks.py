"""Sinusoids with a frequency of their own: the regression tasks of Meta-SGD (Li et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from harness.errors import HarnessError
from harness.switch_types import Number
from harness.tasks.batch import SupervisedBatch
from harness.tasks.sinusoids import Sinusoids, SinusoidSettings
from harness.tasks.source import BLOCK, Arrays


@dataclass(frozen=True)
class FrequencySinusoidSettings(SinusoidSettings):
    """Switches of the tasks y = amplitude * sin(frequency * x + phase)."""

    frequency_min: Number
    frequency_max: Number
    """Radians per unit of x."""


class FrequencySinusoids(Sinusoids):
    """Sinusoids with support x [T, K, 1] and y [T, K, 1], float32; the task is never in the input.

    Amplitudes, phases and inputs are those that `Sinusoids` draws with the same seeds.
    """

    Settings: ClassVar[type] = FrequencySinusoidSettings
    settings: FrequencySinusoidSettings

    def __init__(
        self,
        settings: FrequencySinusoidSettings,
        train_seed: int,
        evaluation_seed: int,
        device: torch.device,
    ) -> None:
        super().__init__(settings, train_seed, evaluation_seed, device)
        if settings.task_in_input:
            raise HarnessError(
                "tasks.task_in_input: found true, wanted false: only `sinusoids` has an oracle."
            )

    def draw_block(self, split: str, block: int) -> Arrays:
        """Draw what `Sinusoids` draws, and frequencies [BLOCK] (float64) from their own stream."""
        s = self.settings
        rng = self.generator(split, block, 3)
        frequency = rng.uniform(s.frequency_min, s.frequency_max, BLOCK)
        return {**super().draw_block(split, block), "frequency": frequency}

    def to_batch(self, arrays: Arrays) -> SupervisedBatch:
        """Lay tasks on the device as float32."""
        amplitude, phase, frequency = (
            arrays[name][:, None] for name in ("amplitude", "phase", "frequency")
        )

        def both(x: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
            y = amplitude * np.sin(frequency * x + phase)
            return self._tensor(x[..., None]), self._tensor(y[..., None])

        return SupervisedBatch(*both(arrays["support"]), *both(arrays["query"]))


TASK_SOURCES = {"frequency_sinusoids": FrequencySinusoids}
