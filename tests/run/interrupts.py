"""Interrupt runs at random moments, resume them, and compare their records with unbroken ones.

    python -m tests.run.interrupts --count 200 --seed 0

Signals (Ctrl-C once and twice, `kill`, a hang-up, `kill -9`) come at random times and at chosen
places: inside training steps, between update and count, in validations, tests, checkpoints and
records. Methods of five optimisers; one run at a time and two side by side, where the parent, one
child or all of them get the signal. A share are processes from scratch instead of forks.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.records.store import find_records, verify_files

KINDS = {
    "Ctrl-C": [signal.SIGINT],
    "Ctrl-C twice": [signal.SIGINT, signal.SIGINT],
    "kill": [signal.SIGTERM],
    "hang-up": [signal.SIGHUP],
    "kill -9": [signal.SIGKILL],
}
GLYPHS = "tasks.dataset=glyphs tasks.train_ways=5 method.filters=4 "
CELLS = {
    "protonet": (  # Adam, batch norm, validation, two phases
        "protonet/omniglot-5way-1shot euclidean",
        GLYPHS + "tasks.train_queries=2 tasks.val_queries=2 tasks.test_queries=2 "
        "training.iterations=24 training.iteration_cap=24 training.validate_every=6 "
        "training.validation_tasks=4 testing.tasks=8 testing.tasks_at_once=2",
    ),
    "maml": (  # Adam on gradients by an engine
        "maml/sinusoid-5shot maml",
        "training.iterations=60 training.iteration_cap=60 training.validate_every=15 "
        "training.validation_tasks=4 testing.tasks=20 testing.tasks_at_once=5 method.test_steps=2",
    ),
    "learned optimiser": (  # carries points and states from step to step
        "learned_optimizer/quadratics-uniform lstm",
        "training.iterations=20 training.iteration_cap=20 training.validate_every=5 "
        "training.validation_tasks=8 testing.tasks=24 testing.tasks_at_once=8 "
        "training.meta_batch=4 method.steps=20 training.validation_metric=loss@20",
    ),
    "reptile": (  # its own Adam within tasks, and a generator
        "reptile/omniglot-5way-1shot reptile",
        GLYPHS + "method.meta_step_iterations=16 method.test_steps=2 training.meta_batch=2 "
        "training.iterations=16 training.iteration_cap=16 testing.tasks=6 "
        "testing.tasks_at_once=2",
    ),
    "mann": (  # RMSprop
        "mann/strings-5class mann",
        "tasks.dataset=glyphs tasks.instances=2 tasks.rotations=as-classes method.units=8 "
        "method.locations=8 method.width=4 method.heads=2 training.iterations=20 "
        "training.iteration_cap=20 training.meta_batch=2 testing.tasks=12 testing.tasks_at_once=4",
    ),
}


@dataclass
class Cell:
    """A small cell, its unbroken records, and how long they took."""

    words: list[str]
    unbroken: dict[int, Any] = field(default_factory=dict)
    seconds: float = 0.0
    calls: dict[str, dict[str, int]] = field(default_factory=dict)
    """Of each place, with few checkpoints (`20` s apart) and with one a step (`0`)."""


class Command:
    """A command line in the nursery."""

    def __init__(self, nursery: Any, words: list[str], errors: Path, moment: Any = None) -> None:
        self.nursery, self.errors, self.start = nursery, errors, time.monotonic()
        asked = {"words": words, "errors": str(errors), "moment": moment}
        nursery.stdin.write(json.dumps(asked) + "\n")
        nursery.stdin.flush()
        self.pid = int(nursery.stdout.readline())

    def wait(self) -> tuple[int, str]:
        """Return the exit status, negative for a signal, and what was said."""
        status = int(self.nursery.stdout.readline())
        return status, self.errors.read_text(errors="replace")


class Process:
    """The same, as a process from scratch."""

    def __init__(self, words: list[str], errors: Path) -> None:
        with errors.open("w") as f:
            command = [sys.executable, "-m", "harness.cli.main", *words]
            self.process = subprocess.Popen(command, stderr=f, process_group=0)
        self.errors, self.pid = errors, self.process.pid

    def wait(self) -> tuple[int, str]:
        """Return the exit status, negative for a signal, and what was said."""
        return self.process.wait(), self.errors.read_text(errors="replace")


@contextlib.contextmanager
def nursery(folder: Path) -> Iterator[Any]:
    """Return the process whose forks do the commands."""
    first = ["run", *CELLS["maml"][0].split()[:1], "--variant", "maml", "--budget", "smoke"]
    first += ["--results", str(folder / "first"), "--work", str(folder / "first"), "--threads", "1"]
    words = [sys.executable, "-m", "tests.run.nursery", json.dumps(first)]
    pipe, there = subprocess.PIPE, os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, env=there) as process:
        yield process


def command_line(name: str) -> list[str]:
    """Return the words that run a cell of `CELLS`."""
    (cell, variant), sets = CELLS[name][0].split(), CELLS[name][1].split()
    words = ["run", cell, "--variant", variant, "--threads", "1", "--device", "cpu"]
    return words + [w for s in sets for w in ("--set", s)]


def results(folder: Path) -> dict[int, Any]:
    """Return the result and the files of each record in `folder`, by seed."""
    return {
        s.record.seed: (
            s.record.result(),
            {n: (s.folder / n).read_bytes() for n in verify_files(s.folder).files},
        )
        for s in find_records(folder / "results")
    }


def prepared(keeper: Any, name: str, folder: Path) -> Cell:
    """Run a cell of `CELLS` without interruption, with two seeds."""
    cell, here = Cell(command_line(name)), folder / f"unbroken-{name.replace(' ', '-')}"
    here.mkdir(parents=True)
    for seed, every in enumerate(["20", "0"]):
        words = [*cell.words, "--seeds", str(seed), "--checkpoint-every", every, *places(here)]
        command = Command(keeper, words, here / "said")
        status, said = command.wait()
        assert status == 0, said
        cell.seconds = time.monotonic() - command.start
        cell.calls[every] = json.loads(said.splitlines()[-1])
    cell.unbroken = results(here)
    assert set(cell.unbroken) == {0, 1}
    return cell


def places(folder: Path) -> list[str]:
    """Return the words that say where results and checkpoints go."""
    return ["--results", str(folder / "results"), "--work", str(folder / "work")]


@dataclass
class Outcome:
    """The outcome of one interrupted run."""

    name: str
    kinds: list[str]
    equal: bool
    notes: list[str]


class Trial:
    """A run that is interrupted one to three times and then left to end."""

    def __init__(self, keeper: Any, name: str, cell: Cell, folder: Path, draw: random.Random):
        self.keeper, self.name, self.cell, self.folder, self.draw = keeper, name, cell, folder, draw
        self.kinds: list[str] = []
        self.notes: list[str] = []
        self.every = draw.choice(["0", "0", "0.03", "20"])

    def run(self, jobs: int, fresh: bool) -> Outcome | None:
        """Do it; None where the run had ended before a signal came."""
        seeds = ["0", "1"][:jobs]
        words = [*self.cell.words, "--seeds", *seeds, *places(self.folder)]
        words += ["--jobs", str(jobs), "--checkpoint-every", self.every]
        self.folder.mkdir(parents=True)
        for _ in range(self.draw.choice([1, 1, 2, 3])):
            if not self._interrupt(words, jobs, fresh):
                break
        if not self.kinds:
            return None
        status, said = Command(self.keeper, words, self.folder / "said").wait()
        if status != 0:
            self.notes.append(f"going on ended with {status}: {said[-400:]}")
        wanted = {int(s): self.cell.unbroken[int(s)] for s in seeds}
        equal = results(self.folder) == wanted
        if list((self.folder / "results").rglob(".partial-*")):
            self.notes.append("a half record was left")
        return Outcome(f"{self.name}, {jobs} at a time", self.kinds, equal, self.notes)

    def _interrupt(self, words: list[str], jobs: int, fresh: bool) -> bool:
        """Begin, interrupt, and wait; False where the run ended by itself."""
        kind, placed = self.draw.choice(list(KINDS)), self.draw.random() < 0.7
        errors, moment = self.folder / "said", None
        if placed and jobs == 1 and not fresh:
            calls = self.cell.calls["0" if self.every == "0" else "20"]
            place = self.draw.choice(sorted(calls))
            number = self.draw.randint(1, calls[place])
            side = self.draw.choice(["before", "inside", "after"])
            moment = (place, number, side, [int(n) for n in KINDS[kind]])
            command: Any = Command(self.keeper, words, errors, moment)
            kind += f" {side} {place}"
        else:
            command = Process(words, errors) if fresh else Command(self.keeper, words, errors)
            start = 4.0 if fresh else 0.1
            time.sleep(self.draw.uniform(0, start + self.cell.seconds))
            kind += self._send(command.pid, KINDS[kind], jobs)
        children = descendants(command.pid) if jobs > 1 else []
        status, said = command.wait()
        self._wait_for(children)
        if "Traceback" in said and "/harness/" in said:  # else Python's own start was interrupted
            self.notes.append(f"after {kind}: {said[-1500:]}")
        if status == 0:
            return False
        if moment is None and jobs > 1 and " one child" in kind and "seed" not in said:
            self.notes.append(f"after {kind}: no run is named: {said[-300:]!r}")
        self.kinds.append(kind)
        return True

    def _send(self, pid: int, signals: list[signal.Signals], jobs: int) -> str:
        target, whom = pid, ""
        if jobs > 1:
            whom = self.draw.choice([" to the parent", " to all", " to one child"])
            children = descendants(pid)
            if whom == " to one child" and not children:
                whom = " to the parent, before it had children"
            elif whom == " to one child":
                target = self.draw.choice(children)
            elif whom == " to all":
                target = -pid
        for i, number in enumerate(signals):
            if i:
                time.sleep(self.draw.uniform(0, 0.05))
            with contextlib.suppress(ProcessLookupError):
                os.kill(target, number)
        return whom

    def _wait_for(self, children: list[int]) -> None:
        """Check that children end with their parent."""
        deadline = time.monotonic() + 20
        while alive := [pid for pid in children if running(pid)]:
            if time.monotonic() > deadline:
                self.notes.append("a child went on without its parent")
                for pid in alive:
                    os.kill(pid, signal.SIGKILL)
                return
            time.sleep(0.01)


def descendants(pid: int) -> list[int]:
    """Return the children of a process (Linux)."""
    try:
        return [int(w) for w in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def running(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def trials(count: int, seed: int, names: list[str], fresh_share: float) -> Iterator[Outcome]:
    """Yield `count` outcomes."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as there, nursery(Path(there)) as keeper:
        cells = {name: prepared(keeper, name, Path(there)) for name in names}
        done = tried = 0
        while done < count:
            name, jobs = names[done % len(names)], 1 + (draw.random() < 0.25)
            folder = Path(there) / f"trial{tried}"
            tried += 1
            trial = Trial(keeper, name, cells[name], folder, draw)
            outcome = trial.run(jobs, fresh=draw.random() < fresh_share)
            if outcome is not None:
                done += 1
                yield outcome
            shutil.rmtree(folder)


def main(words: list[str] | None = None) -> int:
    """Print the outcomes; status 1 unless all are equal and nothing else was odd."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cells", nargs="+", choices=list(CELLS), default=list(CELLS))
    parser.add_argument("--fresh", type=float, default=0.05, help="share of new processes (0.05)")
    arguments = parser.parse_args(words)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # `nohup` ignores it, and so would the runs
    done, equal, odd = Counter[str](), Counter[str](), Counter[str]()
    start = time.monotonic()
    for o in trials(arguments.count, arguments.seed, arguments.cells, arguments.fresh):
        done[o.name] += 1
        equal[o.name] += o.equal
        odd[o.name] += bool(o.notes)
        if not o.equal or o.notes:
            print(f"{o.name}: {'equal' if o.equal else 'ANOTHER RECORD'} after {o.kinds}")
            for note in o.notes:
                print(f"    {note}")
    for name in sorted(done):
        print(f"{name}: {equal[name]} of {done[name]} equal, {odd[name]} odd otherwise")
    seconds = time.monotonic() - start
    print(f"{equal.total()} of {done.total()} records equal, {odd.total()} odd, {seconds:.0f} s")
    return 0 if equal.total() == done.total() and not odd.total() else 1


if __name__ == "__main__":
    sys.exit(main())
