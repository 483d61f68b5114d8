"""What a process holds right now: resident memory, and tensors that Python can reach."""

from __future__ import annotations

import ctypes
import gc
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

_STATM = Path("/proc/self/statm")


@dataclass(frozen=True)
class Held:
    """Bytes and counts after garbage was collected and freed memory given back to the system."""

    resident_bytes: int
    tensors: int
    tensor_bytes: int
    """Of their storages, each counted once."""
    device_bytes: int
    """Allocated on the CUDA device; 0 without one."""


def held() -> Held:
    """Collect garbage, give freed memory back, and measure. Needs Linux with glibc."""
    for _ in range(2):  # what a finaliser lets go of is garbage of the next round
        gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    resident = int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    tensors = reachable_tensors()
    storages = [t.untyped_storage() for t in tensors if t.layout is torch.strided]
    each = {(s.device, s.data_ptr()): s.nbytes() for s in storages}
    device = torch.cuda.memory_allocated() if torch.cuda.is_available() else 0
    return Held(resident, len(tensors), sum(each.values()), device)


def reachable_tensors() -> list[torch.Tensor]:
    """Return the tensors that Python can reach, of these types exactly: fake tensors and other
    stand-ins have no storage."""
    return [o for o in gc.get_objects() if type(o) in (torch.Tensor, nn.Parameter)]
