"""Kill -9 at ten random moments, Ctrl-C, and seeds side by side, as a user would meet them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from harness.records.store import find_records, verify_files

COMMAND = [
    *(sys.executable, "-m", "harness.cli.main", "run", "maml/sinusoid-5shot"),
    *("--variant", "maml", "--threads", "1", "--checkpoint-every", "0.02"),
]
SIZE = {
    "training.iterations": 2000,
    "training.iteration_cap": 2000,
    "training.validate_every": 500,
    "training.validation_tasks": 20,
    "testing.tasks": 50,
}


def command(folder, *more):
    words = [*COMMAND, "--results", str(folder / "results"), "--work", str(folder / "work"), *more]
    for switch, value in SIZE.items():
        words += ["--set", f"{switch}={value}"]
    return words


def results(folder):
    return [
        (s.record.result(), {n: (s.folder / n).read_bytes() for n in verify_files(s.folder).files})
        for s in find_records(folder / "results")
    ]


def start_and_wait_for_a_checkpoint(folder, interrupted):
    process = subprocess.Popen(command(folder), stderr=subprocess.PIPE, text=True)
    begun = time.time()
    while process.poll() is None:
        found = list((folder / "work").rglob("checkpoint.pt"))
        if any(p.stat().st_mtime > begun for p in found):
            return process
        time.sleep(0.01)
    pytest.fail(f"ended before interruption {interrupted}: {process.communicate()[1]}")


def test_killed_ten_times_it_gives_the_same_record(tmp_path):
    moment = random.Random(7)
    for i in range(10):
        process = start_and_wait_for_a_checkpoint(tmp_path / "killed", i)
        time.sleep(moment.uniform(0, 0.15))
        process.kill()
        process.wait()
        process.stderr.close()
        assert process.returncode == -signal.SIGKILL
    subprocess.run(command(tmp_path / "killed"), check=True, capture_output=True)
    subprocess.run(command(tmp_path / "straight"), check=True, capture_output=True)
    killed, straight = results(tmp_path / "killed"), results(tmp_path / "straight")
    assert len(killed) == 1
    assert killed == straight


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
def test_stopping_leaves_a_run_that_goes_on(tmp_path, number):
    process = start_and_wait_for_a_checkpoint(tmp_path, 0)
    os.kill(process.pid, number)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "the same command goes on from where it was" in said
    assert not results(tmp_path)
    assert list((tmp_path / "work").rglob("checkpoint.pt"))


def test_seeds_side_by_side_give_what_they_give_alone(tmp_path):
    smoke = ["--budget", "smoke", "--seeds", "0", "1"]
    both = command(tmp_path / "both", *smoke, "--jobs", "2")
    alone = command(tmp_path / "alone", *smoke, "--jobs", "1")
    subprocess.run(both, check=True, capture_output=True)
    subprocess.run(alone, check=True, capture_output=True)
    assert len(results(tmp_path / "both")) == 2
    assert results(tmp_path / "both") == results(tmp_path / "alone")
