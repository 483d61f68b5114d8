"""A fresh process for one measurement, whatever becomes of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import Any

from harness.child import python
from harness.costs.request import FAILED, FULL, NO_TASKS, OVER, Request
from harness.errors import HarnessError

START_SECONDS = 300.0
"""Allowed beside the limit, for imports and data; the process keeps to the limit itself."""


def measure_apart(request: Request) -> dict[str, Any]:
    """Return `status`, `note` and what was measured; `HarnessError` where there are no tasks."""
    command = [*python("harness.costs.measure_point"), *request.words()]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # Its standard input ends when this process is gone, and the process with it.
    read, held = os.pipe()
    try:
        with subprocess.Popen(command, stdin=read, errors="replace", **pipes) as process:
            try:
                out, err = process.communicate(timeout=request.limit + START_SECONDS)
            except subprocess.TimeoutExpired:
                note = f"it did not end by itself after {request.limit:g} s"
                return {"status": OVER, "note": note}
            finally:
                process.kill()  # does nothing to one that has ended
    finally:
        os.close(read)
        os.close(held)
    result = outcome(process.returncode, out, err)
    if result["status"] == NO_TASKS:
        raise HarnessError(result["note"])
    return result


def outcome(status: int, out: str, err: str) -> dict[str, Any]:
    """Read what a process left: its last line, or why there is none."""
    if status == -signal.SIGKILL:
        return {"status": FULL, "note": "the system killed the process, as it does without memory"}
    lines = out.strip().splitlines()
    if status == 0 and lines:
        result: dict[str, Any] = json.loads(lines[-1])
        return result
    said = (err.strip().splitlines() or ["it said nothing"])[-1]
    return {"status": FAILED, "note": f"the process ended with status {status}: {said}"}
