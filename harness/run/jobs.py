"""Several runs, each in a process of its own (`harness run` of one seed): peaks of memory are those
of one run."""

from __future__ import annotations

import argparse
import contextlib
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from harness.child import python
from harness.run import stop
from harness.run.plan import Plan
from harness.run.threads import Threads

PATIENCE = 10.0
"""Seconds that runs have to stop when they should stop at once."""


def run_jobs(plans: list[Plan], jobs: int, threads: Threads, arguments: argparse.Namespace) -> int:
    """Keep `jobs` processes busy until all plans are done; return the worst exit status, which is
    128 plus the signal's number for a run that was ended by one.

    Plans that share a training come one after the other: the first trains, the others test. A first
    signal lets every run finish its step, a second one ends them at once. They end by themselves
    when this process is gone: it holds the other end of their standard input.
    """
    waiting = list(plans)
    running: dict[Path, tuple[Plan, subprocess.Popen[bytes]]] = {}
    worst, told = 0, False
    try:
        with stop.deferred():
            while waiting or running:
                if stop.asked() and not told:
                    waiting.clear()
                    _tell(process for _, process in running.values())
                    told = True
                for plan in list(waiting):
                    if len(running) < jobs and plan.folder() not in running:
                        waiting.remove(plan)
                        words = command(plan, threads, arguments)
                        process = subprocess.Popen(words, stdin=subprocess.PIPE)
                        running[plan.folder()] = plan, process
                time.sleep(0.05)
                for folder in [f for f, (_, p) in running.items() if p.poll() is not None]:
                    worst = max(worst, _ended(*running.pop(folder)))
    except KeyboardInterrupt:
        _end(process for _, process in running.values())
        raise
    return worst


def _ended(plan: Plan, process: subprocess.Popen[bytes]) -> int:
    """Return the exit status of a run, and name the signal that ended it alone."""
    _close(process)
    status = process.returncode
    status = 128 - status if status < 0 else status
    if status > 128 and not stop.asked():
        with contextlib.suppress(ValueError):
            how = f"was ended by {signal.Signals(status - 128).name}"
            stop.say(f"{plan.setup.label} {how}; the same command goes on from where it was.")
    return status


def _tell(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.send_signal(stop.FROM_PARENT)


def _end(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    """End runs now, by force those that take too long: their checkpoints are whole."""
    left = list(processes)
    _tell(left)
    deadline = time.monotonic() + PATIENCE
    for process in left:
        try:
            process.wait(max(0.01, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _close(process)


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()


def command(plan: Plan, threads: Threads, arguments: argparse.Namespace) -> list[str]:
    """Return the command line of one run."""
    setup, v = plan.setup, plan.setup.variant
    words = [*python("harness.cli.main"), "run", f"{v.paper}/{v.cell}"]
    words += ["--variant", v.name, "--seeds", str(setup.seed), "--jobs", "1"]
    words += ["--budget", setup.budget.label, "--device", setup.device.type]
    words += ["--engine", setup.engine, "--threads", str(threads.count)]
    words += [f"--threads-from={threads.why}"] + ["--threads-at-most"] * threads.at_most
    words += ["--capture"] * plan.capture + ["--tf32"] * arguments.tf32
    words += ["--results", str(plan.results), "--work", str(plan.work)]
    words += ["--checkpoint-every", str(arguments.checkpoint_every)]
    for text in arguments.set:
        words += ["--set", text]
    words += ["--deterministic"] if arguments.deterministic else []
    words += ["--if-data-at-hand"] if arguments.if_data_at_hand else []
    return [*words, "--end-with-parent"]
