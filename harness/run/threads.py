"""How many CPU threads a run takes, and why: what was asked for, or what its work can use of the
cores that this process may use.

A scheduler that gives four of 64 cores says so in one of several ways, and PyTorch looks at none of
them but OMP_NUM_THREADS: more threads than cores make small steps many times slower.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
OPERATIONS_OF_A_THREAD = 250_000_000
"""Floating-point operations of a training step that keep one thread busy: a step with fewer than
two such shares is faster, or as fast, on one thread (`python -m tests.bench.threads`)."""


@dataclass(frozen=True)
class Threads:
    """Threads of each of several runs side by side."""

    count: int
    why: str
    """`--threads`, `OMP_NUM_THREADS`, or what the cores were shared by."""
    at_most: bool = False
    """Whether these are only the most that may be used: the work decides."""

    def for_work(self, operations: int | None) -> Threads:
        """Return as many threads as a training step of `operations` can use, where the work
        decides; one for work that is not counted."""
        if not self.at_most:
            return self
        count = max(1, (operations or 0) // OPERATIONS_OF_A_THREAD)
        if count >= self.count:
            return Threads(self.count, self.why)
        return Threads(count, "operations of a step")


def threads_of_each(
    asked: int | None, jobs: int, environment: Mapping[str, str] = os.environ
) -> Threads:
    """Return what `--threads` asks for, or OMP_NUM_THREADS, or the cores shared by `jobs` runs."""
    if asked is not None:
        return Threads(asked, "--threads")
    said = _whole(environment.get("OMP_NUM_THREADS", "").partition(",")[0])
    if said:
        return Threads(said, "OMP_NUM_THREADS")
    cores, why = usable_cores(environment)
    why = f"{why}, {jobs} at a time" if jobs > 1 else why
    return Threads(max(1, cores // jobs), why, at_most=True)


def usable_cores(
    environment: Mapping[str, str] = os.environ, cgroup: Path | None = None
) -> tuple[int, str]:
    """Return how many cores this process may use, and which limit is the tightest: those of the
    machine, its affinity, the quota of its cgroup, or SLURM_CPUS_PER_TASK."""
    limits = {"cores of the machine": os.cpu_count() or 1}
    if hasattr(os, "sched_getaffinity"):
        limits["CPU affinity"] = len(os.sched_getaffinity(0))
    if quota := _quota(cgroup or CGROUP):
        limits["quota of the cgroup"] = quota
    if slurm := _whole(environment.get("SLURM_CPUS_PER_TASK", "")):
        limits["SLURM_CPUS_PER_TASK"] = slurm
    least = min(limits.values())
    return least, next(why for why, cores in limits.items() if cores == least)


def _quota(cgroup: Path) -> int | None:
    """Return the whole cores of a CPU quota, one at least; None without one. Both versions of
    cgroups are read, at the root of what a container sees."""
    try:
        allowed, period = (cgroup / "cpu.max").read_text("ascii").split()
    except (OSError, ValueError):
        try:
            allowed = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text("ascii")
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text("ascii")
        except (OSError, ValueError):
            return None
    a, p = _whole(allowed), _whole(period)
    return max(1, a // p) if a and p else None


def _whole(text: str) -> int | None:
    """Return a whole number above 0, None for anything else (`max`, -1, nothing)."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and int(text[:9]) > 0 else None
