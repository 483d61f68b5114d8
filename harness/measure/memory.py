"""Peak memory of this process and of its device, in bytes."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def peak_host_bytes(status: Path = _STATUS) -> int:
    """Return the peak resident memory of this process.

    Linux keeps `ru_maxrss` over exec, so a small child of a large process would report its parent's
    peak; `VmHWM` belongs to this program alone and is used where there is one.
    """
    try:
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # not Linux
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, others KiB


def reset_peak_host(clear: Path = _CLEAR) -> bool:
    """Restart `peak_host_bytes` from what is resident now; False where the system cannot."""
    try:
        clear.write_text("5", encoding="ascii")  # resets VmHWM: man proc_pid_clear_refs
    except OSError:
        return False
    return True


def peak_device_bytes(device: torch.device) -> int:
    """Return the peak of memory that torch allocated on `device`; 0 on the CPU."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0


def reset_peak_device(device: torch.device) -> None:
    """Restart counting the device's peak."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
