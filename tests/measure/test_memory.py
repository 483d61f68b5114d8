"""Peak memory grows with what is held, and belongs to this process alone."""

import resource
import subprocess
import sys

import pytest
import torch

from harness.measure.memory import peak_device_bytes, peak_host_bytes, reset_peak_device

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
