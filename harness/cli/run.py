"""`harness run CELL`: train and test variants of a cell, seed by seed, into records."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import torch

from harness.catalog import find_cell
from harness.errors import DataNotAtHand, HarnessError
from harness.meta_gradient.engines import DEFAULT, ENGINES, engine
from harness.protocol import overrides
from harness.run import stop
from harness.run.allocator import keep_freed_memory
from harness.run.budget import budget
from harness.run.jobs import run_jobs
from harness.run.lock import set_aside
from harness.run.loop import run
from harness.run.plan import Plan, choose_device

SUMMARY = "run a cell: train, test, and put each seed of each variant on record"
EXAMPLES = (
    "harness run maml/sinusoid-5shot --variant maml --budget smoke",
    "harness run maml/sinusoid-5shot --variant maml pretrained --seeds 0 1 --budget 0.0001 "
    "--set testing.tasks=100",
    "harness run maml/sinusoid-5shot --variant maml --budget smoke --set method.inner_rate=0.02",
    "harness run protonet/omniglot-5way-1shot --variant euclidean --budget smoke "
    "--set tasks.dataset=glyphs --set tasks.train_ways=20",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `run`."""
    add = parser.add_argument
    add("cell", metavar="CELL", help="paper/cell, as `harness list` shows them")
    add("--variant", nargs="+", metavar="V", help="variants of the cell (default: all)")
    add("--seeds", nargs="+", type=int, default=[0], metavar="N", help="training seeds (0)")
    add(
        "--budget",
        default="full",
        metavar="B",
        help="full (the paper's training length, the default), a fraction of it, or smoke",
    )
    add("--device", choices=("auto", "cpu", "cuda"), default="auto")
    add(
        "--engine",
        default=DEFAULT,
        metavar="E",
        help=f"one of {', '.join(ENGINES)} ({DEFAULT}); batched:bf16 rounds the factors of "
        "products to bfloat16, batched:500MB keeps within that memory",
    )
    add("--capture", action="store_true", help="CUDA: replay the training step as one graph")
    add("--tf32", action="store_true", help="CUDA: products in TF32 (the record says so)")
    add(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.SWITCH=VALUE",
        help="run with another value of a protocol switch; the record says so",
    )
    add("--results", type=Path, default=Path("results"), help="folder of records (results)")
    add("--work", type=Path, default=Path("runs"), help="folder of checkpoints (runs)")
    add("--jobs", type=int, metavar="N", help="runs at a time (CPU: as many as cores; CUDA: 1)")
    add("--threads", type=int, metavar="N", help="CPU threads of a run (cores / jobs)")
    add("--deterministic", action="store_true", help="refuse operations that are not deterministic")
    add("--checkpoint-every", type=float, default=20.0, metavar="SECONDS", help="(20)")
    add("--fresh", action="store_true", help="start anew; checkpoints there are set aside")
    add("--if-data-at-hand", action="store_true", help="do nothing where the images are missing")
    # Of a run that `--jobs` started: its standard input ends when the parent is gone.
    add("--end-with-parent", action="store_true", help=argparse.SUPPRESS)


def _check_numbers(arguments: argparse.Namespace) -> None:
    for seed in arguments.seeds:
        if not 0 <= seed < 2**63:
            raise HarnessError(f"--seeds: found {seed}, wanted 0 to 2**63 - 1.")
    for name in ("jobs", "threads"):
        number = getattr(arguments, name)
        if number is not None and number < 1:
            raise HarnessError(f"--{name}: found {number}, wanted at least 1.")


def _start_anew(plans: list[Plan]) -> None:
    """Set aside what there is of the runs that are not on record."""
    for folder in dict.fromkeys(p.folder() for p in plans if not p.record_folder().exists()):
        there = set_aside(folder)
        if there is not None:
            stop.say(f"starting anew; what there was is in {there} now.")


def main(arguments: argparse.Namespace) -> int:
    """Run every variant and seed asked for; several go into processes side by side."""
    if arguments.end_with_parent:
        stop.end_with_parent()
    cell = find_cell(arguments.cell)
    changed = overrides(arguments.set)
    _check_numbers(arguments)
    device = choose_device(arguments.device)
    engine(arguments.engine)
    plans = []
    for name in arguments.variant or cell.names():
        published, variant = cell.variant(name), cell.variant(name, changed)
        length = budget(arguments.budget, variant.training, variant.testing)
        for seed in arguments.seeds:
            folders = (arguments.results.resolve(), arguments.work.resolve())
            plans.append(
                Plan(
                    variant,
                    published,
                    seed,
                    length,
                    arguments.engine,
                    device,
                    *folders,
                    capture=arguments.capture,
                )
            )
    cores = os.cpu_count() or 1
    jobs = arguments.jobs or (cores if device.type == "cpu" else 1)
    jobs = max(1, min(jobs, len(plans)))
    threads = arguments.threads or max(1, cores // jobs)
    try:
        if arguments.fresh:
            _start_anew(plans)
        if len(plans) > 1:
            return run_jobs(plans, jobs, threads, arguments)
        if device.type == "cpu":
            keep_freed_memory()
        torch.set_num_threads(threads)
        if arguments.tf32:
            torch.set_float32_matmul_precision("high")
        torch.use_deterministic_algorithms(arguments.deterministic)
        run(plans[0], arguments.checkpoint_every)
    except DataNotAtHand as e:
        if not arguments.if_data_at_hand:
            raise
        print(f"harness: {arguments.cell} is left out: {e}", file=sys.stderr)
    except KeyboardInterrupt:
        return stop.stopped("stopped; the same command goes on from where it was.")
    return 0
