"""Peak memory grows with what is held, and belongs to this process alone."""

import resource
import subprocess
import sys

import pytest
import torch

from harness.measure.memory import (
    peak_device_bytes,
    peak_host_bytes,
    reset_peak_device,
    reset_peak_host,
)

CHILD = """
from harness.measure.memory import peak_host_bytes
before = peak_host_bytes()
held = bytearray(b"x" * (1 << 28))
print(before, peak_host_bytes())
"""


def test_holding_a_quarter_gibibyte_shows():
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert after - before > 0.9 * (1 << 28)


def test_without_proc_the_peak_comes_from_the_system(tmp_path):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    scale = 1 if sys.platform == "darwin" else 1024
    assert peak_host_bytes(tmp_path / "none") >= peak * scale


RESET = """
from harness.measure.memory import peak_host_bytes, reset_peak_host
from harness.run.allocator import give_back_freed_memory
held = bytearray(b"x" * (1 << 28))
high = peak_host_bytes()
del held
print(give_back_freed_memory(), reset_peak_host(), high, peak_host_bytes())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts a peak anew")
def test_a_peak_is_counted_anew():
    done = subprocess.run([sys.executable, "-c", RESET], capture_output=True, text=True, check=True)
    given_back, was_reset, high, after = done.stdout.split()
    assert given_back == "True"
    if was_reset == "True":
        assert int(high) - int(after) > 0.9 * (1 << 28)
    else:  # a system that does not allow it
        assert int(after) >= int(high)


def test_a_system_that_cannot_count_anew_says_so(tmp_path):
    assert not reset_peak_host(tmp_path / "none" / "clear_refs")


def test_the_cpu_has_no_device_memory():
    reset_peak_device(torch.device("cpu"))
    assert peak_device_bytes(torch.device("cpu")) == 0


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_device_peak():
    device = torch.device("cuda")
    reset_peak_device(device)
    held = torch.zeros(1 << 26, dtype=torch.uint8, device=device)
    assert peak_device_bytes(device) >= held.numel()
