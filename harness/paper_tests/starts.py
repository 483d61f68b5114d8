"""The laws by which weights are drawn at the start, compared with the weights of a network.

A law is a frozen distribution of `scipy.stats`, or a number that all entries equal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import torch
from scipy import stats
from torch import Tensor

LEAST = 400
"""Entries from which a law is told from one that is half or twice as wide, or shifted by one
deviation: there a right start fails once in a million, and a wrong one always."""
MOST = 20_000
"""Entries that are tested, taken evenly from all: more of them show nothing new."""
ALMOST_NEVER = 1e-6


def between(low: float, high: float) -> Any:
    """Return the law of numbers uniform from `low` to `high`."""
    return stats.uniform(low, high - low)


def uniform(bound: float) -> Any:
    """Return the law of numbers uniform within ± `bound`."""
    return between(-bound, bound)


def torch_default(inputs: int) -> Any:
    """Return the law of weights and biases of torch's own layers, from 0.3 to today: uniform within
    ± 1 / sqrt(inputs of a unit)."""
    return uniform(1 / math.sqrt(inputs))


def glorot(fan_in: int, fan_out: int) -> Any:
    """Return Glorot and Bengio's uniform law: within ± sqrt(6 / (fan_in + fan_out))."""
    return uniform(math.sqrt(6 / (fan_in + fan_out)))


def normal(deviation: float, mean: float = 0.0) -> Any:
    """Return the normal law."""
    return stats.norm(mean, deviation)


def cut_normal(deviation: float) -> Any:
    """Return the law of a normal that is cut at two deviations; `deviation` is that before the cut
    (0.88 of it are left), as TensorFlow's `truncated_normal` has it."""
    return stats.truncnorm(-2, 2, scale=deviation)


def drawn(make: Callable[[int], Mapping[str, Tensor]], seeds: int) -> dict[str, Tensor]:
    """Return the weights that `make(seed)` gives for the seeds 0 … seeds - 1, by name: [seeds,
    …]."""
    each = [make(seed) for seed in range(seeds)]
    return {name: torch.stack([one[name].detach() for one in each]) for name in each[0]}


def assert_starts(weights: Mapping[str, Tensor], laws: Mapping[str, Any]) -> None:
    """Fail where weights are not what `laws` say, or have no law, or a law has no weights.

    `laws` has patterns of names, as a shell has them (`norms.*.bias`); all entries of all weights
    that a pattern names have the one law.
    """
    entries: dict[str, list[Tensor]] = {pattern: [] for pattern in laws}
    for name, weight in weights.items():
        named = [pattern for pattern in laws if fnmatchcase(name, pattern)]
        assert len(named) == 1, f"{name}: found the laws {named}, wanted one"
        entries[named[0]].append(weight.detach().flatten().double())
    for pattern, parts in entries.items():
        assert parts, f"{pattern}: found no weight of that name among {', '.join(weights)}"
        assert_law(torch.cat(parts), laws[pattern], pattern)


def assert_law(entries: Tensor, law: Any, name: str) -> None:
    """Fail where `entries` (any shape) are not all the number `law`, or not each drawn by it."""
    entries = entries.detach().flatten().double()
    if isinstance(law, int | float):
        assert (entries == law).all(), f"{name}: found other numbers than {law}"
        return
    assert len(entries) >= LEAST, f"{name}: found {len(entries)} entries, too few to tell a law"
    some = entries[:: -(-len(entries) // MOST)]
    low, high = law.support()
    tiny = 1e-6 * law.std()  # weights are rounded to float32
    inside = low - tiny <= float(entries.min()) and float(entries.max()) <= high + tiny
    assert inside, f"{name}: found {entries.min()} to {entries.max()}, wanted {low} to {high}"
    assert len(set(some.tolist())) > 0.9 * len(some), (
        f"{name}: found entries that repeat each other"
    )
    p = float(stats.kstest(some.numpy(), law.cdf, method="asymp").pvalue)
    told = f"{name}: found deviation {float(some.std()):.4g} about {float(some.mean()):.4g}"
    assert p > ALMOST_NEVER, f"{told}, wanted {law.std():.4g} about {law.mean():.4g} (p {p:.1g})"
