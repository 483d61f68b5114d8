"""Command lines as processes: forked from one that has imported everything, or fresh.

A fork costs a tenth of a second where `python -m` takes seconds to import torch.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from tests.failures.said import ROOT, Said

_CHILD = """
import os, sys, traceback
from pathlib import Path
def child(asked):
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(asked[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    status = 99
    try:
        from harness import places
        from harness.cli.main import main
        places._beside_papers = Path(asked["folder"]).joinpath
        exec(asked["first"], {})
        status = main(asked["words"])
    except SystemExit as e:
        status = e.code
    except BaseException:
        traceback.print_exc()
        status = 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (AttributeError, OSError, ValueError):
                pass
        os._exit(int(status or 0))
"""
_NURSERY = """
import json
from harness.cli.main import main
main(["show", "maml/sinusoid-5shot"])
import harness.run.loop, harness.cli.run
print("ready", flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    if "wait" in asked:
        print(os.waitstatus_to_exitcode(os.waitpid(asked["wait"], 0)[1]), flush=True)
        continue
    pid = os.fork()
    if not pid:
        child(asked)
    print(pid, flush=True)
"""
_FRESH = "import json; child(json.loads(sys.argv[1]))"


class Started:
    """A command that runs by itself until it is waited for."""

    def __init__(self, pid: int, ended: Callable[[], int], folder: Path, said: list[Path]) -> None:
        self.pid, self._ended, self._folder, self._said = pid, ended, folder, said
        self._over = False

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def wait_for(self, happened: Callable[[], object]) -> None:
        """Wait until something has happened, two minutes at most."""
        deadline = time.monotonic() + 120
        while not happened():
            assert time.monotonic() < deadline, self._said[1].read_text(errors="replace")
            time.sleep(0.002)

    def wait(self, status: int = 2) -> Said:
        """Wait for its end, with `status` (negative for a signal), and return what it said."""
        ended, self._over = self._ended(), True
        out, err = (path.read_text(errors="replace") for path in self._said)
        assert ended == status, f"status {ended}, wanted {status}\n{out}{err}"
        return Said(ended, out, err, self._folder)

    def end(self) -> None:
        """Make sure that it does not go on without the process that waits for it."""
        if not self._over:
            self.signal(signal.SIGKILL)
            self._ended()
            self._over = True


def start(line: str, folder: Path, first: str, fresh: bool, environment: dict[str, str]) -> Started:
    """Start `line` in `folder`; see `Stage.start`."""
    command, *words = shlex.split(line)
    assert command == "harness"
    # Beside the folder: what is printed is no file that the command wrote.
    at = [
        folder.with_name(f"{folder.name}-{kind}-{time.monotonic_ns()}") for kind in ("out", "err")
    ]
    for path in at:
        path.touch()
    given = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""} | environment
    asked: dict[str, Any] = {"folder": str(folder), "environment": given, "words": words}
    asked |= {"first": first, "out": str(at[0]), "err": str(at[1])}
    if fresh:
        words = [sys.executable, "-c", _CHILD + _FRESH, json.dumps(asked)]
        process = subprocess.Popen(words, cwd=ROOT, env=given)
        return Started(process.pid, process.wait, folder, at)
    pid = _ask(asked)
    return Started(pid, lambda: _ask({"wait": pid}), folder, at)


def _ask(asked: dict[str, Any]) -> int:
    to, answers = _nursery()
    to.write(json.dumps(asked) + "\n")
    to.flush()
    return int(answers.readline())


@functools.cache
def _nursery() -> tuple[IO[str], IO[str]]:
    """Start the process that the others are forked from; it ends with this one."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment.pop("HARNESS_REPLICATIONS", None)
    words = [sys.executable, "-c", _CHILD + _NURSERY]
    pipe = subprocess.PIPE
    process = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, env=environment, cwd=ROOT)
    assert process.stdin is not None
    assert process.stdout is not None

    def end() -> None:
        process.communicate()

    atexit.register(end)
    while process.stdout.readline() != "ready\n":  # `show` comes before
        assert process.poll() is None, "the nursery did not start"
    return process.stdin, process.stdout
