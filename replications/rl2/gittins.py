"""The Gittins index of a Bernoulli arm with few pulls left, exactly but for a grid of rates.

An arm paid `wins` times and failed `losses` times, on top of one success and one failure counted in
advance, and s pulls are left. Its index is the smallest sure payment λ a pull for which one would
as soon take λ at each of the s pulls as go on with the arm and stop when one likes:

    V_s(a, b) = max(s λ, p + p V_{s-1}(a + 1, b) + (1 - p) V_{s-1}(a, b + 1)),  p = a / (a + b)

with a = wins + 1, b = losses + 1 and V_0 = 0 (Gittins 1979; the finite horizon is ours).
"""

from __future__ import annotations

from functools import cache

import numpy as np

RATES = 200
"""Values of λ between 0 and 1 that are tried: the index is exact to 1 / RATES."""


@cache
def indices(pulls: int, rates: int = RATES) -> np.ndarray:
    """Return the indices [s, wins, losses] float32 for s = 0 … `pulls` pulls left; where wins and
    losses cannot have happened yet (wins + losses > pulls - s) they mean nothing."""
    wins = np.arange(pulls + 1, dtype=np.float32)
    chance = (wins[:, None] + 1) / (wins[:, None] + wins + 2)
    found = np.zeros((pulls + 1, pulls + 1, pulls + 1), np.float32)
    for rate in (np.arange(rates, dtype=np.float32) + 0.5) / rates:
        value = np.zeros((pulls + 2, pulls + 2), np.float32)
        for left in range(1, pulls + 1):
            most = pulls - left + 1  # pulls of this arm so far: 0 … pulls - left
            p = chance[:most, :most]
            go_on = p * (1 + value[1 : most + 1, :most]) + (1 - p) * value[:most, 1 : most + 1]
            stop = left * rate
            found[left, :most, :most] += go_on > stop
            value[:most, :most] = np.maximum(go_on, stop)
    return found / rates
