"""Sinusoid regression tasks of MAML (Finn et al. 2017, section 5.1; authors' data_generator.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from harness.errors import HarnessError
from harness.tasks.batch import SupervisedBatch
from harness.tasks.source import BLOCK, Arrays, TaskSource


@dataclass(frozen=True)
class SinusoidSettings:
    """Switches of the sinusoid tasks y = amplitude * sin(x - phase)."""

    amplitude_min: float
    amplitude_max: float
    phase_min: float
    phase_max: float
    """Radians. The paper prints [0, pi]."""
    input_min: float
    input_max: float
    train_shots: int
    train_queries: int
    val_shots: int
    val_queries: int
    test_shots: int
    test_queries: int
    task_in_input: bool
    """True: x carries (x, amplitude, phase), the oracle of the paper."""


class Sinusoids(TaskSource):
    """Sinusoids with support x [T, K, 1 or 3] and y [T, K, 1], float32."""

    Settings: ClassVar[type] = SinusoidSettings
    settings: SinusoidSettings

    def __init__(
        self,
        settings: SinusoidSettings,
        train_seed: int,
        evaluation_seed: int,
        device: torch.device,
    ) -> None:
        super().__init__(settings, train_seed, evaluation_seed, device)
        for name, number in vars(settings).items():
            if name.endswith(("_shots", "_queries")) and number < 1:
                raise HarnessError(f"tasks.{name}: found {number}, wanted at least 1.")

    def draw_block(self, split: str, block: int) -> Arrays:
        """Draw amplitudes, phases [BLOCK] and inputs x [BLOCK, K + Q] (float64)."""
        s = self.settings
        shots, queries = {
            "val": (s.val_shots, s.val_queries),
            "test": (s.test_shots, s.test_queries),
        }.get(split, (s.train_shots, s.train_queries))
        rng = self.generator(split, block, 0)
        amplitude = rng.uniform(s.amplitude_min, s.amplitude_max, BLOCK)
        phase = rng.uniform(s.phase_min, s.phase_max, BLOCK)
        # One stream for each set: the support points stay the same when the query count changes.
        bounds = (s.input_min, s.input_max)
        support = self.generator(split, block, 1).uniform(*bounds, (BLOCK, shots))
        query = self.generator(split, block, 2).uniform(*bounds, (BLOCK, queries))
        return {"amplitude": amplitude, "phase": phase, "support": support, "query": query}

    def to_batch(self, arrays: Arrays) -> SupervisedBatch:
        """Lay tasks on the device as float32."""
        amplitude = arrays["amplitude"][:, None]
        phase = arrays["phase"][:, None]

        def inputs(x: np.ndarray) -> torch.Tensor:
            columns = [x]
            if self.settings.task_in_input:
                columns += [np.broadcast_to(amplitude, x.shape), np.broadcast_to(phase, x.shape)]
            return self._tensor(np.stack(columns, -1))

        def outputs(x: np.ndarray) -> torch.Tensor:
            return self._tensor((amplitude * np.sin(x - phase))[..., None])

        support, query = arrays["support"], arrays["query"]
        return SupervisedBatch(inputs(support), outputs(support), inputs(query), outputs(query))

    def _tensor(self, a: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(a.astype(np.float32)).to(self.device)
