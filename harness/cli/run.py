"""`harness run CELL`: train and test variants of a cell, seed by seed, into records."""

from __future__ import annotations

import argparse
import dataclasses
import sys

import torch

from harness.catalog import find_cell
from harness.cli.folders import RESULTS, WORK, folder
from harness.cli.numbers import DAY_SECONDS, at_once, real, whole
from harness.errors import DataNotAtHand
from harness.meta_gradient.engines import DEFAULT, ENGINES, engine
from harness.places import results_folder, work_folder
from harness.protocol import overrides
from harness.run import stop
from harness.run.allocator import keep_freed_memory
from harness.run.jobs import run_jobs
from harness.run.lock import set_aside
from harness.run.loop import run
from harness.run.plan import Plan
from harness.run.setup import Setup, choose_device
from harness.run.threads import threads_of_each, usable_cores

SUMMARY = "run a cell: train, test, and put each seed of each variant on record"
EXAMPLES = (
    "harness run maml/sinusoid-5shot --variant maml --budget smoke",
    "harness run maml/sinusoid-5shot --variant pretrained --seeds 0 1 --budget 0.0001 "
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
    seed = whole(0, 2**63 - 1)
    add("--seeds", nargs="+", type=seed, default=[0], metavar="N", help="training seeds (0)")
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
    add("--results", type=folder, metavar="DIR", help=RESULTS)
    add("--work", type=folder, metavar="DIR", help=WORK)
    jobs = "runs at a time (CPU: as many as cores; CUDA: 1)"
    add("--jobs", type=at_once(), metavar="N", help=jobs)
    threads = "CPU threads of a run (OMP_NUM_THREADS, or what its work can use of the cores / jobs)"
    add("--threads", type=at_once(), metavar="N", help=threads)
    add("--deterministic", action="store_true", help="refuse operations that are not deterministic")
    seconds = real(0, DAY_SECONDS)
    add("--checkpoint-every", type=seconds, default=20.0, metavar="SECONDS", help="(20)")
    add("--fresh", action="store_true", help="start anew; checkpoints there are set aside")
    add("--if-data-at-hand", action="store_true", help="do nothing where the images are missing")
    # Of a run that `--jobs` started: why it has its threads, whether they are the most that it may
    # take, and that its standard input ends when the parent is gone.
    add("--threads-from", default="", help=argparse.SUPPRESS)
    add("--threads-at-most", action="store_true", help=argparse.SUPPRESS)
    add("--end-with-parent", action="store_true", help=argparse.SUPPRESS)


def _start_anew(plans: list[Plan]) -> None:
    """Set aside what exists of the runs that are not on record; name those that are."""
    for record in (p.record_folder() for p in plans):
        if record.exists():
            stop.say(
                f"--fresh leaves records alone: {record} stands; move it away, or give another "
                "folder with --results, to run it again."
            )
    for begun in dict.fromkeys(p.folder() for p in plans if not p.record_folder().exists()):
        there = set_aside(begun)
        if there is not None:
            stop.say(f"starting anew; what there was is in {there} now.")


def main(arguments: argparse.Namespace) -> int:
    """Run every variant and seed asked for; several go into processes side by side."""
    if arguments.end_with_parent:
        stop.end_with_parent()
    cell = find_cell(arguments.cell)
    changed = overrides(arguments.set)
    device = choose_device(arguments.device, arguments.tf32)
    engine(arguments.engine)
    places = results_folder(arguments.results).resolve(), work_folder(arguments.work).resolve()
    plans = []
    for name in arguments.variant or cell.names():
        published, variant = cell.variant(name), cell.variant(name, changed)
        for seed in dict.fromkeys(arguments.seeds):
            setup = Setup.at(arguments.budget, variant, seed, arguments.engine, device)
            plans.append(Plan(setup, published, *places, capture=arguments.capture))
    jobs = arguments.jobs or (usable_cores()[0] if device.type == "cpu" else 1)
    jobs = max(1, min(jobs, len(plans)))
    threads = threads_of_each(arguments.threads, jobs)
    if arguments.threads_from:
        why, at_most = arguments.threads_from, arguments.threads_at_most
        threads = dataclasses.replace(threads, why=why, at_most=at_most)
    plans = [dataclasses.replace(plan, threads=threads) for plan in plans]
    try:
        if arguments.fresh:
            _start_anew(plans)
        if len(plans) > 1:
            return run_jobs(plans, jobs, threads, arguments)
        if device.type == "cpu":
            keep_freed_memory()
        # Small steps stay slower once a second thread was started, so one thread measures the work.
        torch.set_num_threads(1 if threads.at_most else threads.count)
        torch.use_deterministic_algorithms(arguments.deterministic)
        run(plans[0], arguments.checkpoint_every)
    except DataNotAtHand as e:
        if not arguments.if_data_at_hand:
            raise
        print(f"harness: {arguments.cell} is left out: {e}", file=sys.stderr)
    except KeyboardInterrupt:
        return stop.stopped("stopped; the same command goes on from where it was.")
    return 0
