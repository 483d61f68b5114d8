"""Processes of a harness's own run its code and what is installed, whatever lies around."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import harness
from harness import child
from harness.costs import process
from harness.run import jobs
from harness.run.threads import Threads

MODULES = ("random", "copy", "signal", "argparse", "torch", "numpy", "replications")


def test_what_lies_in_the_current_folder_is_not_executed(tmp_path, monkeypatch):
    for name in MODULES:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('executed')")
    (tmp_path / "harness").mkdir()
    (tmp_path / "harness" / "__init__.py").write_text("raise SystemExit('executed')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    words = [*child.python("harness.measure.git_state"), "one", "two"]
    look = "import random, sys, harness; print(sys.path, harness.__file__, sys.argv)"
    (tmp_path / "probe").mkdir()
    (tmp_path / "probe" / "sitecustomize.py").write_text(
        f"import atexit; atexit.register(lambda: exec({look!r}, {{}}))"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "probe"))
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert str(Path(harness.__file__).resolve()) in done.stdout, "this very harness"
    assert "'one', 'two']" in done.stdout
    path = done.stdout.partition("]")[0]
    assert f"'{tmp_path}'" not in path
    assert "''" not in path


def test_both_kinds_of_processes_start_so(monkeypatch):
    started = []

    def popen(command, **_):
        started.append(command)
        raise KeyboardInterrupt

    monkeypatch.setattr(process.subprocess, "Popen", popen)
    request = process.Request("time", "a/b", "v", "func", "cpu", 1, 1.0, 9.0, (), False)
    for start in (
        lambda: process.measure_apart(request),
        lambda: jobs.run_jobs([Plan()], 1, Threads(1, "--threads"), ARGUMENTS),
    ):
        try:
            start()
        except KeyboardInterrupt:
            continue
    clean = [sys.executable, "-P", str(Path(child.__file__).resolve())]
    assert [command[:3] for command in started] == [clean, clean]
    assert [c[3] for c in started] == ["harness.costs.measure_point", "harness.cli.main"]


class Plan:
    """As much of a plan as a command line shows."""

    capture, results, work = False, Path("r"), Path("w")
    setup = argparse.Namespace(
        variant=argparse.Namespace(paper="a", cell="b", name="v"),
        seed=0,
        budget=argparse.Namespace(label="smoke"),
        engine="func",
        device=argparse.Namespace(type="cpu"),
    )

    def folder(self):
        return Path("w/x")


ARGUMENTS = argparse.Namespace(
    tf32=False, checkpoint_every=20.0, set=[], deterministic=False, if_data_at_hand=False
)
