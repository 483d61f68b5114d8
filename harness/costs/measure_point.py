"""`python -m harness.costs.measure_point`: one measurement in this process, JSON as its last line.

    python -m harness.costs.measure_point time maml/sinusoid-5shot maml --engine func \\
        --device cpu --threads 1 --seconds 1 --limit 60 --set method.inner_steps=5

What keeps it from a measurement is a status and a note in that line, and no crash.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import torch

from harness.catalog import find_cell
from harness.costs.memory import memory_of_point
from harness.costs.over_limit import OverLimit, time_limit
from harness.costs.request import FAILED, FULL, MEASURED, NO_TASKS, OVER, Request, parse
from harness.costs.timing import time_point
from harness.errors import HarnessError
from harness.protocol import overrides
from harness.run import stop
from harness.run.allocator import keep_freed_memory
from harness.run.operations import operations_per_step
from harness.run.setup import Setup, choose_device

_FULL_WORDS = ("out of memory", "can't allocate memory", "not enough memory")


def main(words: list[str] | None = None) -> int:
    """Measure and print."""
    request = parse(words)
    torch.set_num_threads(request.threads)
    # Where memory ends, the system is to stop this process and nobody else's.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    if request.kind == "time" and request.device == "cpu":
        keep_freed_memory()  # as `harness run` does; in the other process it would hide the peak
    print(json.dumps(measure(request)), flush=True)
    return 0


def measure(request: Request) -> dict[str, Any]:
    """Return `status`, `note` and, where that is `measured`, what was measured."""
    try:
        setup = _setup(request)
    except HarnessError as e:
        return {"status": FAILED, "note": str(e)}
    try:
        tasks = setup.tasks()  # outside the limit: images may have to be packed first
    except HarnessError as e:
        return {"status": NO_TASKS, "note": str(e)}
    try:
        with time_limit(request.limit):
            if request.kind == "memory":
                measured = memory_of_point(setup, tasks, request.limit)
            else:
                measured = time_point(setup, tasks, request.seconds, request.limit)
        if request.kind == "time":  # counting is not part of the limit either
            count = operations_per_step(setup, tasks) if request.operations else None
            measured["operations_per_step"] = count
    except OverLimit as e:
        return {"status": OVER, "note": str(e)}
    except HarnessError as e:
        return {"status": FAILED, "note": str(e)}
    except Exception as e:
        # Whatever a method raises ends this point and not the grid.
        text = next(iter(str(e).splitlines()), "")
        return {"status": FULL if _is_full(e) else FAILED, "note": f"{type(e).__name__}: {text}"}
    return {"status": MEASURED, "note": "", **measured}


def _setup(request: Request) -> Setup:
    variant = find_cell(request.cell).variant(request.variant, overrides(request.sets))
    return Setup.at("full", variant, 0, request.engine, choose_device(request.device))


def _is_full(error: Exception) -> bool:
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(w in str(error).lower() for w in _FULL_WORDS)


if __name__ == "__main__":
    if stat.S_ISFIFO(os.fstat(0).st_mode):  # `measure_apart` holds the other end
        stop.end_with_parent()
    sys.exit(main())
