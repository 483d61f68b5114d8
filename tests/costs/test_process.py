"""One measurement in a process of its own, and every way such a process can end."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys

import pytest

from harness.costs import process
from harness.costs.process import measure_apart, outcome
from harness.costs.request import Request, parse
from harness.errors import HarnessError
from harness.run import stop

REQUEST = Request(
    kind="time",
    cell="maml/sinusoid-5shot",
    variant="maml",
    engine="func",
    device="cpu",
    threads=1,
    seconds=0.01,
    limit=30.0,
    sets=("method.order=first", "method.hidden=[4, 4]"),
    operations=True,
)


@pytest.mark.parametrize("operations", [True, False])
def test_words_come_back_as_the_request(operations):
    request = dataclasses.replace(REQUEST, operations=operations)
    assert parse(request.words()) == request


def test_a_real_process_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = measure_apart(dataclasses.replace(REQUEST, kind="memory"))
    assert found["status"] == "measured", found
    assert 0 < found["live_tensor_bytes"] < 2**20
    assert found["host_peak_bytes"] > 50 * 2**20


def test_the_process_ends_with_its_parent():
    words = [sys.executable, "-m", "harness.costs.measure_point", *REQUEST.words()]
    read, write = os.pipe()
    with subprocess.Popen(words, stdin=read, stdout=subprocess.PIPE) as child:
        os.close(read)
        os.close(write)  # as it is when this process is gone
        assert child.communicate(timeout=60)[0] == b""
    assert child.returncode == -stop.FROM_PARENT


class FakeProcess:
    """Stands for a process that never ends by itself."""

    returncode = None

    def __init__(self, command, **pipes):
        self.killed = False
        FakeProcess.last = self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        assert self.killed

    def communicate(self, timeout):
        raise self.error(timeout)

    def kill(self):
        self.killed = True


@pytest.mark.parametrize("error", [lambda t: subprocess.TimeoutExpired("x", t), KeyboardInterrupt])
def test_a_process_that_does_not_end_is_killed(monkeypatch, error):
    monkeypatch.setattr(process.subprocess, "Popen", FakeProcess)
    monkeypatch.setattr(FakeProcess, "error", staticmethod(error), raising=False)
    if error is KeyboardInterrupt:
        with pytest.raises(KeyboardInterrupt):
            measure_apart(REQUEST)
    else:
        found = measure_apart(REQUEST)
        assert found == {"status": "over limit", "note": "it did not end by itself after 30 s"}
    assert FakeProcess.last.killed


def test_missing_images_are_told_as_such(monkeypatch):
    said = json.dumps({"status": "no tasks", "note": "found no images"})

    class Done(FakeProcess):
        returncode = 0

        def communicate(self, timeout):
            return said, ""

    monkeypatch.setattr(process.subprocess, "Popen", Done)
    with pytest.raises(HarnessError, match="found no images"):
        measure_apart(REQUEST)


@pytest.mark.parametrize(
    ("status", "out", "err", "wanted"),
    [
        (0, 'chatter\n{"status": "measured"}\n', "", {"status": "measured"}),
        (
            -signal.SIGKILL,
            "",
            "",
            {
                "status": "out of memory",
                "note": "the system killed the process, as it does without memory",
            },
        ),
        (
            -signal.SIGSEGV,
            "",
            "x\nsegmentation fault\n",
            {
                "status": "failed",
                "note": "the process ended with status -11: segmentation fault",
            },
        ),
        (
            1,
            "",
            "",
            {"status": "failed", "note": "the process ended with status 1: it said nothing"},
        ),
    ],
)
def test_every_end_is_an_outcome(status, out, err, wanted):
    assert outcome(status, out, err) == wanted
