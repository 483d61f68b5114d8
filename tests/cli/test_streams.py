"""Standard streams that are closed, full, or of another encoding, for every verb."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from harness import child
from harness.cli import env, main
from harness.cli.streams import PlainStream, ResultsNotWritten, plain_streams
from harness.progress import Progress


class Full(io.StringIO):
    """A stream on a full disk."""

    def write(self, text):
        raise OSError(28, "No space left on device")

    def flush(self):
        raise OSError(28, "No space left on device")


class Terminal(io.StringIO):
    """Someone is looking."""

    def isatty(self):
        return True


def saying(text):
    def verb(arguments):
        print(text)
        print(f"of {text}", file=sys.stderr)
        return 0

    return verb


def test_escape_codes_do_not_reach_the_terminal(monkeypatch, capsys):
    monkeypatch.setattr(env, "main", saying("\x1b[31mred"))
    assert main.main(["env"]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("\\u001b[31mred\n", "of \\u001b[31mred\n")


def test_nor_do_those_of_a_wrong_word(capsys):
    with pytest.raises(SystemExit):
        main.main(["env", "\x1b[31m"])
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize("stream", [Full(), None])
def test_results_that_are_not_written_are_an_error(monkeypatch, capsys, stream):
    monkeypatch.setattr(env, "main", saying("results"))
    monkeypatch.setattr(sys, "stdout", stream)
    assert main.main(["env"]) == 1
    why = "it is closed" if stream is None else "No space left on device"
    said = f"harness: could not write the results to standard output: {why}.\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("stream", [Full(), None])
def test_messages_that_are_not_written_stop_nothing(monkeypatch, capsys, stream):
    monkeypatch.setattr(env, "main", saying("results"))
    monkeypatch.setattr(sys, "stderr", stream)
    assert main.main(["env"]) == 0
    assert capsys.readouterr().out == "results\n"


@pytest.mark.parametrize("stream", [Full(), None, io.StringIO()])
def test_progress_goes_on(monkeypatch, stream):
    if isinstance(stream, io.StringIO) and not isinstance(stream, Full):
        stream.close()
    monkeypatch.setattr(sys, "stderr", PlainStream(stream, messages=True))
    shown = Progress("cell", 10)
    shown.every = 0.0
    for done in range(1, 4):
        shown.update(done)
    shown.close()
    assert shown.done == 3


def test_progress_still_rewrites_its_line(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", PlainStream(terminal, messages=True))
    shown = Progress("ce\x1bll", 10)
    shown.every = 0.0
    shown.update(1)
    assert terminal.getvalue().startswith("ce\\u001bll: 1/10")
    assert terminal.getvalue().endswith("\x1b[K\r")


def test_a_closed_standard_output_is_an_error_where_something_is_said():
    with pytest.raises(ResultsNotWritten, match="it is closed"):
        PlainStream(None, messages=False).write("x")


def test_streams_are_as_they_were_afterwards(capsys):
    before = sys.stdout, sys.stderr
    with plain_streams():
        assert sys.stdout is not before[0]
    assert (sys.stdout, sys.stderr) == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_real_processes_end_with_the_right_status():
    """The interpreter's last flush adds nothing to it. `--version` loads no verb: it is fast."""
    harness = " ".join(child.python("harness"))
    for line, status, err in (
        ("--version 2>&-", 0, b""),
        ("--version 2>/dev/full", 0, b""),
        ("--version <&-", 0, b""),
        ("--version >&-", 1, b"standard output: it is closed.\n"),
        ("--version >/dev/full", 1, b"standard output: No space left on device.\n"),
        ("--versio0 2>/dev/full", 2, b""),
        ("--version 2>&1 | true", 0, b""),
    ):
        done = subprocess.run(f"{harness} {line}", shell=True, capture_output=True)
        assert (done.returncode, done.stderr[-len(err) :] if err else done.stderr) == (status, err)
