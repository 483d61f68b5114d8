"""Training steps with the threads that a run takes by itself, and with other ones: one table.

    python -m tests.bench.threads maml/sinusoid-5shot:maml protonet/omniglot-5way-1shot:euclidean

Each row is a cell; each column a way to say how many threads: none (the default), the variable
OMP_NUM_THREADS=1, --threads 1, --threads with all cores, and one core alone (`taskset`). Each
measurement is a process of its own; then all of it again beside a process that keeps a core busy.
Numbers are steps a second, the best of the rounds, as other work only ever takes some away.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from harness.catalog import find_cell
from harness.run.operations import operations_per_step
from harness.run.setup import Setup
from harness.run.threads import threads_of_each

CORES = os.cpu_count() or 1
WAYS: dict[str, tuple[list[str], dict[str, str], list[str]]] = {
    # name: words before the command, environment, words after it
    "default": ([], {}, []),
    "OMP_NUM_THREADS=1": ([], {"OMP_NUM_THREADS": "1"}, []),
    "--threads 1": ([], {}, ["--threads", "1"]),
    f"--threads {CORES}": ([], {}, ["--threads", str(CORES)]),
    "one core": (["taskset", "-c", "0"], {}, []),
}
WARM_UP = 2


def measure(key: str, threads: int | None, seconds: float) -> dict[str, float | int | str]:
    """Time training steps of `paper/cell:variant` in this process, threads chosen as by a run."""
    cell, _, name = key.partition(":")
    there = find_cell(cell)
    variant = there.variant(name or there.names()[0])
    setup = Setup.at("full", variant)
    tasks = setup.tasks()
    chosen = threads_of_each(threads, 1)
    if chosen.at_most:
        torch.set_num_threads(1)
    operations = operations_per_step(setup, tasks)
    chosen = chosen.for_work(operations)
    torch.set_num_threads(chosen.count)
    method, meta_batch = setup.method(tasks), variant.training.meta_batch
    done, end, least = 0, 0.0, float("inf")
    while done <= WARM_UP or time.perf_counter() < end:
        if done == WARM_UP:
            end = time.perf_counter() + seconds
        start = time.perf_counter()
        first = method.first_task(done, meta_batch)
        method.train_step(tasks.batch("train", first, meta_batch), done)
        done += 1
        if done > WARM_UP:
            least = min(least, time.perf_counter() - start)
    return {"seconds": least, "threads": chosen.count, "operations": operations or 0}


def apart(key: str, way: str, seconds: float) -> dict[str, float | int | str]:
    """Measure one way in a process of its own."""
    before, environment, after = WAYS[way]
    kept = {k: v for k, v in os.environ.items() if not k.startswith("OMP_")}
    words = [*before, sys.executable, "-m", "tests.bench.threads", key, "--here", *after]
    done = subprocess.run(
        [*words, "--seconds", str(seconds)],
        env=kept | environment,
        check=True,
        capture_output=True,
        text=True,
    )
    measured: dict[str, float | int | str] = json.loads(done.stdout.splitlines()[-1])
    return measured


@contextmanager
def busy(cores: int) -> Iterator[None]:
    """Keep cores busy meanwhile."""
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(cores)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def row(key: str, beside: int, seconds: float, rounds: int) -> str:
    """Return the Markdown row of a cell: steps a second in each way, and the threads it took."""
    with busy(beside):
        # One round after another, so that a slow minute of the machine meets every way.
        every = [{way: apart(key, way, seconds) for way in WAYS} for _ in range(rounds)]
    fastest = {way: min((r[way] for r in every), key=lambda m: m["seconds"]) for way in WAYS}
    best = min(float(m["seconds"]) for m in fastest.values())
    default = fastest["default"]
    rates = [f"{1 / float(m['seconds']):.3g} ({m['threads']})" for m in fastest.values()]
    share = f"{best / float(default['seconds']):.2f}"
    billions = f"{float(default['operations']) / 1e9:.3g}"
    return f"| {key} | {beside} | {billions} | {' | '.join(rates)} | {share} |"


def main() -> None:
    """Print the table, or measure one cell here."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("cells", nargs="+", metavar="PAPER/CELL:VARIANT")
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1], metavar="CORES")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.here:
        print(json.dumps(measure(a.cells[0], a.threads, a.seconds)))
        return
    head = ["cell", "busy cores", "GFLOP a step", *WAYS, "default / best"]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}", flush=True)
    for beside in a.busy:
        for key in a.cells:
            print(row(key, beside, a.seconds, a.rounds), flush=True)


if __name__ == "__main__":
    main()
