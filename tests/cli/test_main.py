"""The entry point: whatever goes wrong outside is one line."""

from __future__ import annotations

import argparse
import errno
import importlib
import importlib.resources
import os
import re
import runpy
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

import harness
from harness.cli import env
from harness.cli import main as module
from harness.cli.main import main
from harness.cli.settings import READ


def failing(error):
    def verb(arguments: argparse.Namespace) -> int:
        raise error

    return verb


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            2,
            "harness: No space left on device; free some space, then try again.\n",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "x/y"),
            2,
            "harness: x/y: Permission denied; give another place or mend this one, then try "
            "again.\n",
        ),
        (KeyboardInterrupt(), 130, "harness: stopped.\n"),
    ],
)
def test_what_the_system_refuses_is_one_line(monkeypatch, capsys, error, status, line):
    monkeypatch.setattr(env, "main", failing(error))
    assert main(["env"]) == status
    assert capsys.readouterr().err == line


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_every_verb_ends_at_the_first_signal(monkeypatch, capsys, name):
    number = getattr(signal, name)
    monkeypatch.setattr(env, "main", lambda _: signal.raise_signal(number))
    before = signal.getsignal(number)
    assert main(["env"]) == 130
    assert capsys.readouterr().err == "harness: stopped.\n"
    assert signal.getsignal(number) == before


def test_a_mistake_of_ours_is_shown_in_full(monkeypatch):
    monkeypatch.setattr(env, "main", failing(OSError("no number")))
    with pytest.raises(OSError, match="no number"):
        main(["env"])


def test_wrong_words_are_one_line(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["env", "--format", "xml"])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("harness: argument --format: invalid choice: 'xml'")
    assert said.endswith("; see `harness env --help`.\n")
    assert said.count("\n") == 1


def test_the_version_is_told_without_a_verb(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"harness {harness.__version__}\n"


def test_python_m_harness_is_harness(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["harness", "--version"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module("harness", run_name="__main__")
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"harness {harness.__version__}\n"


def test_a_variable_that_nothing_reads_is_named(monkeypatch, capsys):
    monkeypatch.setattr(env, "main", lambda _: 0)
    monkeypatch.setenv("HARNESS_REPLICATION", "x")
    monkeypatch.setenv("HARNESS_QQQQ", "x")
    assert main(["env"]) == 0
    said = capsys.readouterr().err
    assert said == (
        "harness: found HARNESS_QQQQ, HARNESS_REPLICATION (did you mean 'HARNESS_REPLICATIONS'?) "
        "in the environment, which nothing here reads; wanted HARNESS_CACHE, HARNESS_COMMIT, "
        "HARNESS_DATA, HARNESS_REPLICATIONS.\n"
    )


def test_all_variables_that_are_read_are_known(monkeypatch):
    root = importlib.resources.files("harness")
    text = "".join(p.read_text("utf-8") for p in root.rglob("*.py"))
    named = set(re.findall(r"environ[^\n]*?\"(HARNESS_[A-Z_]+)\"", text))
    assert named == set(READ)


def test_ctrl_c_while_modules_are_loaded_is_one_line(monkeypatch, capfd):
    """An exception in the middle of loading torch would come out as any other."""
    left = []
    monkeypatch.setattr(os, "_exit", left.append)
    real = importlib.import_module

    def slow(name):
        if name == "harness.cli.env":
            os.kill(os.getpid(), signal.SIGINT)
        return real(name)

    monkeypatch.setattr(module, "import_module", slow)
    monkeypatch.setattr(env, "main", lambda _: 0)
    before = signal.getsignal(signal.SIGINT)
    assert main(["env"]) == 0, "where leaving is only made up"
    assert left == [130]
    assert capfd.readouterr().err == "harness: stopped.\n"
    assert signal.getsignal(signal.SIGINT) is before


def test_a_verb_in_another_thread_leaves_signals_alone(monkeypatch):
    monkeypatch.setattr(env, "main", lambda _: 0)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(main, ["env"]).result() == 0
