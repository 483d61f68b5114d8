"""The entry point: whatever goes wrong outside is one line."""

from __future__ import annotations

import argparse
import errno
import signal

import pytest

from harness.cli import env
from harness.cli.main import main


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


def test_ctrl_c_while_modules_are_loaded_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr("harness.cli.main.import_module", lambda _: signal.raise_signal(2))
    assert main(["env"]) == 130
    assert capsys.readouterr().err == "harness: stopped.\n"


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
