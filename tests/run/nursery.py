"""Commands of `harness` as forks of one warm process: a start costs a tenth of a second, where
`python -m harness.cli.main` takes three.

    python -m tests.run.nursery WORDS

does the command WORDS (JSON) once to warm up. Then each line of standard input is an object with
`words`, `errors` (a file for standard error) and `moment`; the answers are two lines, the process
id and, when it has ended, the exit status. A moment is [place, n, side, signals]: before, inside or
after the n-th call of what is named in `Places`, the process sends itself the signals.
"""

from __future__ import annotations

import functools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from harness.cli.main import main
from harness.measure import git_state
from harness.run import jobs, on_record
from harness.run.setup import Setup

STATE = {"commit": "c" * 40, "clean": True}
"""What the code is said to be: scores are kept only where a clean commit names it."""


class Places:
    """Counts the calls of what may be interrupted, and interrupts one of them."""

    def __init__(self, moment: tuple[str, int, str, list[int]] | None) -> None:
        self.place, self.number, self.side, self.signals = moment or ("", 0, "", [])
        self.counts: Counter[str] = Counter()
        self.seconds: dict[str, float] = {}

    def watch(self) -> None:
        """Put a counter before all of them."""
        build = Setup.method

        def watched(setup: Setup, tasks: Any) -> Any:
            method: Any = build(setup, tasks)
            method.train_step = self.around("step", method.train_step)
            method.evaluate = self.around("chunk", method.evaluate)
            return method

        Setup.method = watched  # type: ignore[assignment,method-assign]
        for cls in (torch.optim.Adam, torch.optim.RMSprop, torch.optim.SGD):
            cls.step = self.around("update", cls.step)  # type: ignore[method-assign]
        for module, name in (
            (torch, "save"),
            (os, "fsync"),
            (os, "replace"),
            (Path, "rename"),
            (shutil, "rmtree"),
            (on_record, "write_record"),
        ):
            setattr(module, name, self.around(name, getattr(module, name)))

    def around(self, place: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return `call`, counted as `place`."""

        @functools.wraps(call)
        def counted(*arguments: Any, **named: Any) -> Any:
            self.counts[place] += 1
            chosen = place == self.place and self.counts[place] == self.number
            if chosen and self.side == "before":
                self.send()
            if chosen and self.side == "inside":
                usual = self.seconds.get(place, 1e-3)
                signal.signal(signal.SIGALRM, self.send)
                signal.setitimer(signal.ITIMER_REAL, max(1e-6, random.uniform(0, usual)))
            start = time.perf_counter()
            result = call(*arguments, **named)
            self.seconds[place] = time.perf_counter() - start
            if chosen and self.side == "after":
                self.send()
            return result

        return counted

    def send(self, *_: object) -> None:
        """Interrupt this process."""
        for number in self.signals:
            os.kill(os.getpid(), number)


class Fork:
    """What `subprocess.Popen` is to `run_jobs`: a child that does a command line of `harness`."""

    pipes: list[Any] = []  # noqa: RUF012 - the ends that this very process holds

    def __init__(self, words: list[str], stdin: int | None = None) -> None:
        read, self.stdin = None, None
        if stdin == subprocess.PIPE:
            read, write = os.pipe()
            self.stdin = os.fdopen(write, "wb")
            self.pipes.append(self.stdin)
        self.returncode: int | None = None
        self.pid = os.fork()
        if not self.pid:
            for pipe in self.pipes:
                pipe.close()
            work(words[words.index("harness.cli.main") + 1 :], read, None)
        if read is not None:
            os.close(read)

    def poll(self) -> int | None:
        """Return the exit status, None while there is none."""
        return self._look(os.WNOHANG)

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the exit status."""
        end = time.monotonic() + (timeout or 0)
        while timeout and self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("harness", timeout)
            time.sleep(0.01)
        return self._look(0)

    def send_signal(self, number: int) -> None:
        """Send a signal to a child that has not ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it now."""
        self.send_signal(signal.SIGKILL)

    def _look(self, how: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, how)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode


def work(words: list[str], stdin: int | None, places: Places | None) -> None:
    """Be a fresh process that does a command line, and end."""
    status = 99
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY) if stdin is None else stdin, 0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, signal.SIG_DFL)
        random.seed(os.getpid())
        status = main(words)
        if places is not None and status == 0:
            print(json.dumps(places.counts), file=sys.stderr, flush=True)
    except BaseException as e:  # shown as the interpreter would
        sys.excepthook(type(e), e, e.__traceback__)
    finally:
        sys.stderr.flush()
        os._exit(status)


def serve() -> None:
    """Do what the lines of standard input say."""
    main(json.loads(sys.argv[1]))
    for module in (git_state, on_record):
        module.git_state = lambda **_: STATE  # type: ignore[attr-defined]
    jobs.subprocess.Popen = Fork  # type: ignore[attr-defined,misc,assignment]
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if not pid:
            os.setpgid(0, 0)  # as a shell does with each command
            os.dup2(os.open(asked["errors"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
            places = Places(asked["moment"])
            places.watch()
            work(asked["words"], None, places)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    serve()
