"""Several runs side by side, each in a process of its own (`harness run` of one seed)."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time

from harness.run.plan import Plan


def run_jobs(plans: list[Plan], jobs: int, threads: int, arguments: argparse.Namespace) -> int:
    """Keep `jobs` processes busy until all plans are done; give the worst exit status."""
    waiting = [command(plan, threads, arguments) for plan in plans]
    running: list[subprocess.Popen[bytes]] = []
    worst = 0
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(subprocess.Popen(waiting.pop(0)))
            time.sleep(0.05)
            for process in [p for p in running if p.poll() is not None]:
                running.remove(process)
                worst = max(worst, abs(process.returncode))
    except KeyboardInterrupt:
        for process in running:  # a terminal has told them already; a lone signal has not
            process.send_signal(signal.SIGINT)
        for process in running:
            process.wait()
        raise
    return worst


def command(plan: Plan, threads: int, arguments: argparse.Namespace) -> list[str]:
    """Give the command line of one run."""
    words = [sys.executable, "-m", "harness.cli.main", "run", f"{plan.variant.paper}/"]
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
