"""Several runs, each in a process of its own (`harness run` of one seed): peaks of memory are those
of one run."""

from __future__ import annotations

import argparse
import signal
import subprocess
import time
from pathlib import Path

from harness.child import python
from harness.run.plan import Plan


def run_jobs(plans: list[Plan], jobs: int, threads: int, arguments: argparse.Namespace) -> int:
    """Keep `jobs` processes busy until all plans are done; give the worst exit status.

    Plans that share a training come one after the other: the first trains, the others test.
    """
    waiting = list(plans)
    running: dict[Path, subprocess.Popen[bytes]] = {}
    worst = 0
    try:
        while waiting or running:
            for plan in [p for p in waiting if p.folder() not in running][: jobs - len(running)]:
                if plan.folder() not in running:
                    waiting.remove(plan)
                    running[plan.folder()] = subprocess.Popen(command(plan, threads, arguments))
            time.sleep(0.05)
            for folder in [f for f, process in running.items() if process.poll() is not None]:
                worst = max(worst, abs(running.pop(folder).returncode))
    except KeyboardInterrupt:
        for process in running.values():  # a terminal has told them already; a lone signal has not
            process.send_signal(signal.SIGINT)
        for process in running.values():
            process.wait()
        raise
    return worst


def command(plan: Plan, threads: int, arguments: argparse.Namespace) -> list[str]:
    """Give the command line of one run."""
    words = [*python("harness.cli.main"), "run", f"{plan.variant.paper}/"]
    words[-1] += plan.variant.cell
    words += ["--variant", plan.variant.name, "--seeds", str(plan.seed), "--jobs", "1"]
    words += ["--budget", plan.budget.label, "--device", plan.device.type]
    words += ["--engine", plan.engine, "--threads", str(threads)]
    words += ["--capture"] * plan.capture + ["--tf32"] * arguments.tf32
    words += ["--results", str(plan.results), "--work", str(plan.work)]
    words += ["--checkpoint-every", str(arguments.checkpoint_every)]
    for text in arguments.set:
        words += ["--set", text]
    words += ["--deterministic"] if arguments.deterministic else []
    words += ["--if-data-at-hand"] if arguments.if_data_at_hand else []
    return words
