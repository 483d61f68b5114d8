"""Sinusoid regression tasks of MAML (Finn et al. 2017, section 5.1; authors' data_generator.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from harness.errors import HarnessError
from harness.switch_types import Examples, Number
from harness.tasks.batch import SupervisedBatch
from harness.tasks.source import BLOCK, Arrays, TaskSource


@dataclass(frozen=True)
class SinusoidSettings:
    """Switches of the sinusoid tasks y = amplitude * sin(x - phase)."""

    amplitude_min: Number
    amplitude_max: Number
    phase_min: Number
    phase_max: Number
    """Radians. The paper prints [0, pi]."""
    input_min: Number
    input_max: Number
    train_shots: Examples
    train_queries: Examples
    val_shots: Examples
    val_queries: Examples
    test_shots: Examples
    test_queries: Examples
    task_in_input: bool
    """True: x carries (x, amplitude, phase), the oracle of the paper."""

    def __post_init__(self) -> None:
        for name, least in vars(self).items():
            if name.endswith("_min") and least > (most := vars(self)[f"{name[:-4]}_max"]):
                raise HarnessError(
                    f"tasks.{name}: found {least}, wanted at most {name[:-4]}_max, {most}."
                )


class Sinusoids(TaskSource):
    """Sinusoids with support x [T, K, 1 or 3] and y [T, K, 1], float32."""

    Settings: ClassVar[type] = SinusoidSettings
    test_only = frozenset({"test_shots", "test_queries"})
    settings: SinusoidSettings

    @classmethod
    def batch_bytes(cls, settings: Any, split: str, count: int) -> int:
        """Return the bytes of the points: x and y float32 of the batch, x float64 of a block."""
        kind = split if split in ("val", "test") else "train"
        points = getattr(settings, f"{kind}_shots") + getattr(settings, f"{kind}_queries")
        return int(points) * (8 * count + 8 * BLOCK)

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
