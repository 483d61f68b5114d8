"""The wheel bandit (Riquelme, Tucker & Snoek 2018, arXiv 1802.09127).

A context is uniform in the unit disk. The safe arm, number 0, always pays 1.2 on average. Each of
the other four pays 1.0, but for the arm of the context's quadrant where the context lies further
out than δ: that one pays 50. A problem is a wheel, that is its δ.

- training and validation: wheels with δ drawn anew, each with a fixed number of contexts, an arm
  drawn for each of them, and what it paid;
- test: a trial on a wheel with one given δ, in which a learner chooses the arms.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from harness.errors import HarnessError
from harness.ranges import Range
from harness.switch_types import Examples, Number, Share
from harness.tasks.source import BLOCK, Arrays, TaskSource

ARMS = 5
SAFE = 0
DELTA_STREAM, CONTEXT_STREAM, NOISE_STREAM, ARM_STREAM, SEED_STREAM, PICK_STREAM = range(6)
BYTES = 4 + 4 + 4 + 8
"""Of a context (two numbers), the noise and the drawn arm, laid on a device."""


@dataclass(frozen=True)
class WheelSettings:
    """Switches of the wheel bandit."""

    delta: Share
    """δ of the wheels of a test."""
    contexts: Annotated[int, Range(1, 1_000_000)]
    """n, of a trial of a test."""
    delta_min: Share
    delta_max: Share
    """δ of a training wheel is uniform between the two."""
    train_wheels: Annotated[int, Range(0, 10_000)]
    """Training wheels, with their contexts, that there are; each is drawn as often. 0: all are
    new."""
    support: Examples
    """Contexts of a training wheel, with an arm and what it paid, that a learner is told."""
    query: Examples
    """The same that it is asked about, behind them."""
    safe: Number
    """What the safe arm pays on average."""
    low: Number
    """What another arm pays."""
    high: Number
    """What the arm of the quadrant pays outside δ."""
    noise_sd: Annotated[float, Range(0, 1000)]


@dataclass(frozen=True)
class WheelBatch:
    """T wheels with n contexts each. `deltas` [T] float64; `contexts` [T, n, 2] float32; `noise`
    [T, n]: what is added to what an arm pays, whichever it is, so that all methods meet the same
    luck; `arms` [T, n] int64, uniform; `pays` [T, 3]: the averages safe, low and high; `seeds` [T]
    int64: for what a method draws itself."""

    deltas: Tensor
    contexts: Tensor
    noise: Tensor
    arms: Tensor
    pays: Tensor
    seeds: Tensor

    def __len__(self) -> int:
        return len(self.deltas)

    def averages(self) -> Tensor:
        """Return what each arm pays on average at each context, [T, n, 5]."""
        x, y = self.contexts.unbind(-1)
        safe, low, high = self.pays[:, :, None].unbind(1)
        # Arms 1 to 4: right and above, right and below, left and above, left and below.
        quadrant = 1 + 2 * (x < 0).long() + (y < 0).long()
        paid_there = torch.where(torch.hypot(x, y) > self.deltas[:, None], high, low)
        averages = low[..., None].expand(*x.shape, ARMS).clone()
        averages[..., SAFE] = safe
        return averages.scatter(-1, quadrant[..., None], paid_there[..., None])

    def paid(self, averages: Tensor, arms: Tensor) -> Tensor:
        """Return what `arms` [T, n] paid, given `averages` [T, n, 5]."""
        return averages.gather(-1, arms[..., None])[..., 0] + self.noise


def regret(batch: WheelBatch, averages: Tensor, arms: Tensor) -> Tensor:
    """Return the regret of choosing `arms` [T, n], in percent of what an agent that chooses
    uniformly has on average: [T] float64.

    Regret is what the best arms would have paid on average, less what the chosen ones pay on
    average; the uniform agent's is that of all wheels of this δ, not that of these contexts.
    """
    return 100 * lost(averages, arms).mean(-1) / uniform_regret(batch.deltas, batch.pays)


def lost(averages: Tensor, arms: Tensor) -> Tensor:
    """Return what the best arm of each context pays on average, less what `arms` do: [T, n]
    float64."""
    averages = averages.double()
    return averages.amax(-1) - averages.gather(-1, arms[..., None])[..., 0]


def uniform_regret(deltas: Tensor, pays: Tensor) -> Tensor:
    """Return the regret of the uniform agent at a context, averaged over contexts: [T] float64.

    A share δ² of the disk lies inside, where the best arm is the safe one or any other.
    """
    deltas = deltas.double()
    safe, low, high = pays.double().unbind(-1)
    inside = torch.maximum(safe, low) - (safe + 4 * low) / 5
    best = torch.maximum(torch.maximum(safe, low), high)
    outside = best - (safe + high + 3 * low) / 5
    return deltas.square() * inside + (1 - deltas.square()) * outside


class Wheels(TaskSource):
    """Wheel bandits."""

    Settings = WheelSettings
    settings: WheelSettings
    test_only = frozenset({"delta", "contexts"})

    def __init__(self, settings: Any, *rest: Any) -> None:
        if settings.delta_min > settings.delta_max:
            raise HarnessError(
                f"tasks.delta_min: found {settings.delta_min:g}, wanted at most tasks.delta_max, "
                f"{settings.delta_max:g}."
            )
        super().__init__(settings, *rest)

    @classmethod
    def length(cls, settings: Any, split: str) -> int:
        """Return the contexts of a wheel of `split`."""
        return int(settings.contexts if split == "test" else settings.support + settings.query)

    @classmethod
    def batch_bytes(cls, settings: Any, split: str, count: int) -> int:
        """Return the bytes of contexts, noise and arms, of the batch and of its blocks."""
        wheels = count + BLOCK + (settings.train_wheels if "train" in split else 0)
        return 2 * BYTES * cls.length(settings, split) * wheels

    def train_on_few_classes(self) -> None:
        """For smoke runs: trials as long as training wheels, where theirs are longer."""
        s = self.settings
        self.settings = dataclasses.replace(s, contexts=min(s.contexts, s.support + s.query))

    def draw_block(self, split: str, block: int) -> Arrays:
        """Draw `deltas` [BLOCK], `contexts` [BLOCK, n, 2], `noise` and `arms` [BLOCK, n] and
        `seeds` [BLOCK]. With more contexts the first ones stay the same."""
        s, n = self.settings, self.length(self.settings, split)

        seeds = self.generator(split, block, SEED_STREAM).integers(2**62, size=BLOCK)
        if split not in ("train", "trainval") or not s.train_wheels:
            return self._wheels(split, block, BLOCK) | {"seeds": seeds}
        rng = self.generator(split, block, PICK_STREAM)
        picked = rng.integers(s.train_wheels, size=BLOCK)
        # An order of its own each time: which contexts a learner is told differs.
        order = rng.random((BLOCK, n), np.float32).argsort(1)
        known = self._wheels(split, 0, s.train_wheels)
        drawn = {"deltas": known["deltas"][picked], "seeds": seeds}
        for name in ("contexts", "noise", "arms"):
            drawn[name] = known[name][picked[:, None], order]
        return drawn

    def _wheels(self, split: str, block: int, count: int) -> dict[str, np.ndarray]:
        s, n = self.settings, self.length(self.settings, split)

        def generator(stream: int) -> np.random.Generator:
            return self.generator(split, block, stream)

        deltas = generator(DELTA_STREAM).uniform(s.delta_min, s.delta_max, count)
        if split == "test":
            deltas = np.full(count, s.delta)
        radius, turn = np.moveaxis(
            generator(CONTEXT_STREAM).random((n, count, 2), np.float32), -1, 0
        )
        radius, turn = np.sqrt(radius).T, (2 * np.pi * turn).T
        noise = generator(NOISE_STREAM).standard_normal((n, count), np.float32).T
        return {
            "deltas": deltas,
            "contexts": np.stack([radius * np.cos(turn), radius * np.sin(turn)], -1),
            "noise": np.float32(s.noise_sd) * noise,
            "arms": generator(ARM_STREAM).integers(ARMS, size=(n, count), dtype=np.int8).T,
        }

    def to_batch(self, arrays: Arrays) -> WheelBatch:
        """Lay wheels on the device."""
        s, laid = self.settings, {}
        for name, array in arrays.items():
            laid[name] = torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
        laid["arms"] = laid["arms"].long()
        pays = torch.tensor([s.safe, s.low, s.high], device=self.device)
        return WheelBatch(**laid, pays=pays.expand(len(laid["deltas"]), 3))


TASK_SOURCES = {"wheels": Wheels}
