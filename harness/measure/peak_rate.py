"""The machine's measured peak: the rate of a large float32 product, in operations a second."""

from __future__ import annotations

import time

import torch

from harness.measure.synchronise import synchronise

SIZE = 2048


def peak_rate(device: torch.device, seconds: float = 0.3, size: int = SIZE) -> float:
    """Multiply two [size, size] float32 matrices for `seconds`; return the fastest product's rate.

    A product is 2 * size**3 operations. It runs with the threads and the TF32 setting that this
    process has. The fastest and not the median: a peak is what the machine can do at best.
    """
    a, b = (torch.ones(size, size, device=device) for _ in range(2))
    out = torch.empty_like(a)
    torch.mm(a, b, out=out)  # the first one starts the library
    synchronise(device)
    best, begin = float("inf"), time.perf_counter()
    while best == float("inf") or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        torch.mm(a, b, out=out)
        synchronise(device)
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best
