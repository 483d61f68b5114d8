"""Kill -9 at ten random moments, Ctrl-C and `kill`, as a user would meet them.

Each command is a process of its own, forked from one that has imported all and taken three steps
of another seed: a start costs a tenth of a second where `python -m` would take seconds.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from harness.records.store import find_records, verify_files

COMMAND = [
    *("run", "maml/sinusoid-5shot", "--variant", "maml", "--threads", "1"),
    *("--checkpoint-every", "0.02"),
]
SIZE = {
    "training.iterations": 1500,
    "training.iteration_cap": 1500,
    "training.validate_every": 500,
    "training.validation_tasks": 20,
    "testing.tasks": 50,
}
NURSERY = """
import json, os, sys
from harness.cli.main import main
main(json.loads(sys.argv[1]))
for line in sys.stdin:
    words, errors = json.loads(line)
    pid = os.fork()
    if not pid:
        os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        status = 99
        try:
            status = main(words)
        finally:
            os._exit(status)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class Command:
    """A command line that runs by itself until it is waited for."""

    def __init__(self, nursery, words, errors):
        self.nursery, self.errors = nursery, errors
        nursery.stdin.write(json.dumps([words, str(errors)]) + "\n")
        nursery.stdin.flush()
        self.pid = int(nursery.stdout.readline())

    def wait(self):
        """Return the exit status, negative for a signal, and what was said."""
        return int(self.nursery.stdout.readline()), self.errors.read_text()


@pytest.fixture(scope="module")
def nursery(tmp_path_factory):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    there = tmp_path_factory.mktemp("first")
    first = [*COMMAND, "--budget", "smoke", "--seeds", "9", "--results", str(there / "results")]
    first += ["--work", str(there / "work")]
    words = [sys.executable, "-c", NURSERY, json.dumps(first)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        yield process


@pytest.fixture
def start(nursery, tmp_path):
    def begin(folder):
        words = [*COMMAND, "--results", str(folder / "results"), "--work", str(folder / "work")]
        for switch, value in SIZE.items():
            words += ["--set", f"{switch}={value}"]
        return Command(nursery, words, tmp_path / "errors")

    return begin


def results(folder):
    return [
        (s.record.result(), {n: (s.folder / n).read_bytes() for n in verify_files(s.folder).files})
        for s in find_records(folder / "results")
    ]


def newest(folder):
    """Return the time of the newest checkpoint, 0 without one."""
    latest = 0
    for path in (folder / "work").rglob("checkpoint.pt"):
        try:
            latest = max(latest, path.stat().st_mtime_ns)
        except FileNotFoundError:  # it is just being replaced
            continue
    return latest


def start_and_wait_for_a_checkpoint(start, folder):
    before = newest(folder)
    command = start(folder)
    deadline = time.monotonic() + 120
    while newest(folder) <= before:
        assert not results(folder), "the run ended before it was interrupted"
        assert time.monotonic() < deadline, command.errors.read_text()
        time.sleep(0.005)
    return command


def test_killed_ten_times_it_gives_the_same_record(start, tmp_path):
    moment = random.Random(7)
    for _ in range(10):
        command = start_and_wait_for_a_checkpoint(start, tmp_path / "killed")
        time.sleep(moment.uniform(0, 0.08))
        os.kill(command.pid, signal.SIGKILL)
        status, said = command.wait()
        assert status == -signal.SIGKILL, said
    assert not results(tmp_path / "killed")
    for name in ("killed", "straight"):
        status, said = start(tmp_path / name).wait()
        assert status == 0, said
    killed, straight = results(tmp_path / "killed"), results(tmp_path / "straight")
    assert len(killed) == 1
    assert killed == straight
    [stored] = find_records(tmp_path / "killed" / "results")
    assert sum(s["iterations"] for s in stored.record.measurement["sessions"]) == 1500


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, signal.SIGTERM, signal.SIGHUP],
    ids=["ctrl-c", "terminate", "hang-up"],
)
def test_stopping_leaves_a_run_that_goes_on(start, tmp_path, number):
    command = start_and_wait_for_a_checkpoint(start, tmp_path)
    os.kill(command.pid, number)
    status, said = command.wait()
    assert status == 130
    assert "the same command goes on from where it was" in said
    assert not results(tmp_path)
    assert list((tmp_path / "work").rglob("checkpoint.pt"))
