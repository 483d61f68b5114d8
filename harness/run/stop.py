"""A signal asks to stop: at once or, where a step must not be cut, when the step is done.

Outside of `deferred()` the first signal raises KeyboardInterrupt where it falls. Inside it is
noted, and raised when the section ends: what is kept then is a state of an unbroken run. A second
signal is raised at once, wherever it falls, so whoever sees KeyboardInterrupt inside a deferred
section keeps nothing of it. A third ends the process: all that is on disk is whole at any moment.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

STATUS = 130
"""Exit status of a command that was stopped."""
FROM_PARENT = getattr(signal, "SIGUSR1", signal.SIGTERM)
"""What a parent sends to its runs. A terminal sends Ctrl-C to both, and the parent passes it on:
the two are one request, not two."""
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if name in dir(signal)]


@dataclass
class _Requests:
    depth: int = 0
    """Deferred sections that are open."""
    sources: set[str] = field(default_factory=set)
    first: int = 0
    """The first signal that came."""
    raised: bool = False
    quiet: bool = False
    over: bool = False
    """The command has ended; the interpreter is still on its way out."""


_requests = _Requests()


@contextmanager
def listening(for_good: bool = False) -> Iterator[None]:
    """Handle signals in this way until the block ends, or with `for_good` until the process ends.

    Ctrl-C and `kill` are heard also where a shell started us in the background with interrupts
    ignored; a hang-up stays ignored under `nohup`. Outside of the main thread nothing changes.
    """
    global _requests
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    requests_before, _requests = _requests, _Requests()
    before = {}
    for number in [*SIGNALS, FROM_PARENT]:
        ignored = signal.getsignal(number) == signal.SIG_IGN
        if number == signal.SIGINT or number == signal.SIGTERM or not ignored:
            before[number] = signal.signal(number, _take)
    try:
        yield
    finally:
        if for_good:
            _requests.over = True
        else:
            for number, handler in before.items():
                signal.signal(number, handler)
            _requests = requests_before


@contextmanager
def by_leaving() -> Iterator[None]:
    """Let a signal end the process where it falls, while modules are loaded: nothing is begun, and
    an exception in the middle of loading torch comes out as others that say nothing of it."""

    def leave(number: int, _: FrameType | None) -> None:
        if number != FROM_PARENT:
            _say_now("stopped.")
        os._exit(STATUS)

    here = threading.current_thread() is threading.main_thread()
    ours = [n for n in (*SIGNALS, FROM_PARENT) if here and signal.getsignal(n) is _take]
    for number in ours:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, _take)


@contextmanager
def deferred() -> Iterator[None]:
    """Let a first signal wait for the end of this section, which looks at `asked()` now and then.

    Raises KeyboardInterrupt at its end where a signal came."""
    mine = _requests
    mine.depth += 1
    try:
        yield
    finally:
        mine.depth -= 1
    if mine.sources and not mine.depth and not mine.raised:
        mine.raised = True
        raise KeyboardInterrupt


def asked() -> bool:
    """Whether a signal has come."""
    return bool(_requests.sources)


def stopped(text: str) -> int:
    """Say that the command was stopped and return its exit status. A run that ends with its parent
    leaves the message to the parent and returns 128 plus the number of the signal, as a shell
    would."""
    if _requests.quiet:
        return 128 + (_requests.first or signal.SIGINT)
    say(text)
    return STATUS


def end_with_parent() -> None:
    """Stop when standard input ends: a pipe whose other end nobody but the parent holds.

    The parent then prints the message about stopping."""
    _requests.quiet = True

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 1):
                pass
        signal.pthread_kill(threading.main_thread().ident or 0, FROM_PARENT)

    threading.Thread(target=watch, daemon=True).start()


def say(text: str) -> None:
    """Write a line to standard error, if there is one: a terminal that hung up must not prevent the
    stop."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        print(f"harness: {text}", file=sys.stderr, flush=True)


def _take(number: int, _: FrameType | None) -> None:
    r = _requests
    source = "parent" if number == FROM_PARENT else "anyone"
    again = source in r.sources
    if r.over or (again and r.raised):
        os._exit(STATUS)
    first = not r.sources
    r.sources.add(source)
    r.first = r.first or number
    if not again and (r.depth or r.raised):
        if first and not r.quiet:
            _say_now("stopping after this step; once more to stop at once.")
        return
    r.raised = True
    raise KeyboardInterrupt


def _say_now(text: str) -> None:
    """Write without the buffers: a handler may run in the middle of a print."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        start = "\n" if sys.stderr.isatty() else ""
        os.write(sys.stderr.fileno(), f"{start}harness: {text}\n".encode())
