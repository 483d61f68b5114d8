"""`harness check PAPER`: the contract that a paper folder must pass, one line per check."""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from harness.catalog import Variant, replications_folder
from harness.check import CLAUSES, Finding, metrics, variants
from harness.errors import DataNotAtHand, HarnessError, closest
from harness.records.schema import read_record

SUMMARY = "check that a paper folder keeps the contract of this project"
EXAMPLES = ["harness check maml --no-runs", "harness check protonet --no-runs"]

SMOKE_SECONDS = 20.0
"""How long a smoke run may take on a CPU before there is a warning."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words after `harness check`."""
    parser.add_argument("paper", metavar="PAPER", help="a folder in replications/")
    parser.add_argument(
        "--no-runs", action="store_true", help="leave out the smoke run of each variant"
    )


def main(arguments: argparse.Namespace) -> int:
    """Print one line per check; the exit status is 1 when one failed."""
    folder = replications_folder() / arguments.paper
    if not folder.is_dir():
        known = sorted(p.parent.name for p in replications_folder().glob("*/paper.toml"))
        raise HarnessError(
            f"found no folder {folder}{closest(arguments.paper, known)}; "
            f"run `harness new {arguments.paper}` to make it."
        )
    failed = checks = 0
    for finding in findings(folder, runs=not arguments.no_runs):
        print(f"{_word(finding):7} {finding.name}: {finding.sentence}")
        sys.stdout.flush()  # smoke runs take a while each
        checks += 1
        failed += not finding.passed
    print(f"{arguments.paper}: {checks - failed} passed, {failed} failed")
    return 1 if failed else 0


def findings(folder: Path, runs: bool) -> Iterator[Finding]:
    """Yield the findings of every clause, and then the smoke runs of the variants that resolve."""
    for clause in CLAUSES:
        try:
            yield from clause(folder)
        except HarnessError as e:  # a file that is no text, or no Python
            yield Finding(clause.__name__.replace("_", " "), False, str(e))
    if runs:
        for variant in variants(folder):
            yield smoke_run(variant)


def smoke_run(variant: Variant) -> Finding:
    """Train a variant for a few steps and test it on a few tasks, in a folder that is deleted."""
    # Slow to import, and not needed for the other checks.
    from harness.run.allocator import keep_freed_memory
    from harness.run.loop import run
    from harness.run.plan import Plan
    from harness.run.setup import Setup

    keep_freed_memory()  # as `harness run` does
    name = f"smoke run {variant.key}"
    setup = Setup.at("smoke", variant)
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(setup, variant, Path(folder, "results"), Path(folder, "work"))
        start = time.perf_counter()
        try:
            with contextlib.redirect_stderr(io.StringIO()):  # progress of three steps is noise
                record = read_record(run(plan) / "record.json")
        except DataNotAtHand as e:
            return Finding(name, True, f"not run: {e}", warning=True)
        except HarnessError as e:
            return Finding(name, False, str(e))
        except (Exception, SystemExit) as e:
            # Whatever a contributor's method raises is a finding, not our crash.
            return Finding(name, False, f"{type(e).__name__}: {e}")
    seconds = time.perf_counter() - start
    if record.status != "finished":
        return Finding(name, False, f"{record.status}: {record.status_note}.")
    odd = [m for m, s in record.metrics.items() if s.mean is None]
    if odd or not record.metrics:
        return Finding(name, False, f"wanted finite metrics, found {', '.join(odd) or 'none'}.")
    if set(record.metrics) != set(metrics(variant)):
        named, given = ", ".join(metrics(variant)), ", ".join(record.metrics)
        return Finding(name, False, f"metrics() names {named}, evaluate gave {given}.")
    steps = f"{record.iterations} iteration{'' if record.iterations == 1 else 's'}"
    given = f"{steps} in {seconds:.1f} s, gave {', '.join(record.metrics)}"
    if seconds > SMOKE_SECONDS:
        return Finding(name, True, f"{given}; wanted {SMOKE_SECONDS} s at most.", warning=True)
    return Finding(name, True, f"{given}.")


def _word(finding: Finding) -> str:
    if not finding.passed:
        return "FAILED"
    return "warning" if finding.warning else "passed"
