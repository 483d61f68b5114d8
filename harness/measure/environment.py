"""The environment part of a record, and what a bug report needs: versions, hardware, arithmetic."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import harness

LIBRARIES = (
    "torch",
    "numpy",
    "safetensors",
    "scipy",
    "pandas",
    "matplotlib",
    "pillow",
    "torchvision",
    "higher",
)
_DRIVER_FILE = Path("/proc/driver/nvidia/version")


def environment() -> dict[str, Any]:
    """Return plain data on where this process computes; null where something is not there.

    Nothing in it changes during a run but the two determinism switches, so it may be read at the
    start or at the end.
    """
    return {
        "harness": harness.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": library_versions(),
        "processor": processor_name(),
        "logical_cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "cuda_device": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "cuda_runtime": torch.version.cuda,
        "cuda_driver": driver_version(),
        "tf32_matmul": _tf32(torch.backends.cuda.matmul),
        "tf32_convolution": _tf32(getattr(torch.backends.cudnn, "conv", torch.backends.cudnn)),
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
    }


def library_versions() -> dict[str, str | None]:
    """Return the installed version of each library the harness may use, without importing it."""
    versions: dict[str, str | None] = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    versions["torch"] = str(torch.__version__)  # says cpu or cuXXX, which the metadata may not
    return versions


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's model name."""
    try:
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def driver_version(path: Path = _DRIVER_FILE) -> str | None:
    """Return the version of the NVIDIA kernel driver, None without one."""
    try:
        first = path.read_text(encoding="utf-8").splitlines()[0]
    except (OSError, IndexError):
        return None
    # "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue ..."
    versions = [w for w in first.split() if w[0].isdigit() and "." in w]
    return versions[0] if versions else first


def _tf32(backend: Any) -> bool:
    # The newer name first: reading the older one warns where both exist.
    precision = getattr(backend, "fp32_precision", None)
    if precision is not None and precision != "none":
        return bool(precision == "tf32")
    return bool(getattr(backend, "allow_tf32", False))
