"""Many comparisons at once: Holm's correction (Scandinavian Journal of Statistics 6, 1979)."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the adjusted p-value of each of m tests, in the order given.

    Smallest first, the k-th (from 0) is multiplied by m - k, is at least the one before it and at
    most 1. Tests with an adjusted value below 0.05 are wrong together in at most 5 % of cases,
    however the tests depend on each other.
    """
    m = len(p_values)
    adjusted, least = [0.0] * m, 0.0
    for k, i in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        least = max(least, min(1.0, (m - k) * p_values[i]))
        adjusted[i] = least
    return adjusted
