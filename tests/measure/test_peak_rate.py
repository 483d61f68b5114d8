"""The peak rate is that of a product that can be timed by hand."""

from __future__ import annotations

import time

import pytest
import torch

from harness.measure.peak_rate import peak_rate
from harness.measure.synchronise import synchronise


def test_it_is_the_rate_of_the_fastest_product(monkeypatch):
    ticks = iter([0.0, 1.0, 5.0, 5.0, 6.0, 8.0, 9.0, 10.0, 13.0])
    monkeypatch.setattr("harness.measure.peak_rate.time.perf_counter", lambda: next(ticks))
    # Begin 0; products of 4, 2 and 3 seconds; after the second, 9 s are not over, then they are.
    rate = peak_rate(torch.device("cpu"), seconds=5.5, size=8)
    assert rate == 2 * 8**3 / 2


def test_a_real_machine_multiplies():
    cpu = torch.device("cpu")
    start = time.perf_counter()
    rate = peak_rate(cpu, seconds=0.0, size=256)
    synchronise(cpu)
    assert rate > 2 * 256**3 / (time.perf_counter() - start), "one of two products was timed"


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_device_multiplies_faster_than_a_slow_core():
    assert peak_rate(torch.device("cuda")) > 1e11
