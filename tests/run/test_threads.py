"""Threads: what is asked for first, and never more than this process may use."""

from __future__ import annotations

import dataclasses
import os

import pytest
import torch

from harness.paper_tests.smoke_plans import smoke_plan
from harness.records.schema import read_record
from harness.run.loop import run
from harness.run.threads import OPERATIONS_OF_A_THREAD, Threads, threads_of_each, usable_cores


@pytest.fixture
def eight(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr("harness.run.threads.CGROUP", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("asked", "jobs", "environment", "expected"),
    [
        (3, 1, {"OMP_NUM_THREADS": "1", "SLURM_CPUS_PER_TASK": "2"}, Threads(3, "--threads")),
        (None, 1, {"OMP_NUM_THREADS": "1"}, Threads(1, "OMP_NUM_THREADS")),
        (None, 2, {"OMP_NUM_THREADS": "2,1"}, Threads(2, "OMP_NUM_THREADS")),
        (None, 1, {"OMP_NUM_THREADS": "many"}, Threads(8, "cores of the machine", True)),
        (None, 1, {"OMP_NUM_THREADS": "0"}, Threads(8, "cores of the machine", True)),
        (None, 1, {"SLURM_CPUS_PER_TASK": "4"}, Threads(4, "SLURM_CPUS_PER_TASK", True)),
        (None, 1, {"SLURM_CPUS_PER_TASK": "16"}, Threads(8, "cores of the machine", True)),
        (None, 3, {}, Threads(2, "cores of the machine, 3 at a time", True)),
        (None, 9, {}, Threads(1, "cores of the machine, 9 at a time", True)),
    ],
)
def test_what_is_asked_for_comes_first(eight, asked, jobs, environment, expected):
    assert threads_of_each(asked, jobs, environment) == expected


def test_affinity_is_a_limit(eight, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    assert usable_cores({}, eight) == (1, "CPU affinity")


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "250000 100000\n"}, (2, "quota of the cgroup")),
        ({"cpu.max": "50000 100000\n"}, (1, "quota of the cgroup")),
        ({"cpu.max": "max 100000\n"}, (8, "cores of the machine")),
        ({"cpu.max": "nonsense\n"}, (8, "cores of the machine")),
        (
            {"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"},
            (3, "quota of the cgroup"),
        ),
        (
            {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
            (8, "cores of the machine"),
        ),
    ],
)
def test_a_quota_is_a_limit(eight, files, cores):
    for name, text in files.items():
        (eight / name).parent.mkdir(exist_ok=True)
        (eight / name).write_text(text)
    assert usable_cores({}, eight) == cores


@pytest.mark.parametrize(
    ("operations", "count", "why"),
    [
        (None, 1, "operations of a step"),
        (0, 1, "operations of a step"),
        (OPERATIONS_OF_A_THREAD * 2 - 1, 1, "operations of a step"),
        (OPERATIONS_OF_A_THREAD * 3, 3, "operations of a step"),
        (OPERATIONS_OF_A_THREAD * 8, 8, "cores of the machine"),
        (OPERATIONS_OF_A_THREAD * 800, 8, "cores of the machine"),
    ],
)
def test_small_steps_take_one_thread(operations, count, why):
    threads = Threads(8, "cores of the machine", at_most=True)
    assert threads.for_work(operations) == Threads(count, why)


def test_what_was_asked_for_is_left_as_it_is():
    asked = Threads(8, "--threads")
    assert asked.for_work(1) == asked


def test_a_small_model_runs_on_one_thread_and_its_record_says_why(tmp_path):
    before = torch.get_num_threads()
    plan = smoke_plan(tmp_path, "maml/sinusoid-5shot", "maml", {})
    try:
        torch.set_num_threads(2)
        many = Threads(2, "cores of the machine", at_most=True)
        folder = run(dataclasses.replace(plan, threads=many))
    finally:
        torch.set_num_threads(before)
    tested = read_record(folder / "record.json").measurement["tested"]
    assert (tested["threads"], tested["threads_from"]) == (1, "operations of a step")
