"""What no input may do: end in a traceback, take 20 seconds or 2 GB, run a program, or write
outside its folder."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from harness.errors import HarnessError

SECONDS, BYTES = 20, 2 << 30
LONGEST = 5_000  # letters of one sentence
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_CHANGES = (
    "os.mkdir",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
)
_PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork")

fuzzed = settings(
    deadline=None,
    max_examples=20,  # a round: `boxed` does as many as there is time for
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, -(2**64), 10**400, 0, -1])
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["../x", "/", "x" * 200_000, "a/b", "\x1b[2J", "\ud800", "-1", "1_0", "١٢"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
"""Anything that JSON can hold, and some that it cannot."""


def boxed(seconds: float, round_of: Callable[[], None]) -> None:
    """Do rounds of a fuzz test until the time is over, at least one."""
    end = time.monotonic() + seconds
    round_of()
    while time.monotonic() < end:
        round_of()


def told(call: Callable[[], Any], folder: Path) -> Any:
    """Return what `call` gives, or the one sentence of its `HarnessError`; whatever else it raises,
    a hang, 2 GB, a program that is run and a file written outside `folder` fail the test."""
    with _guarded(folder):
        try:
            return call()
        except HarnessError as e:
            said = str(e)
    assert "\n" not in said, said
    assert 0 < len(said) < LONGEST, said[:1000]
    return said


@contextlib.contextmanager
def _guarded(folder: Path) -> Iterator[None]:
    def late(*_: object) -> None:
        raise AssertionError(f"it took more than {SECONDS} s")

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    _Watch.folder, _Watch.refused = folder.resolve(), []
    try:
        yield
    finally:
        _Watch.folder = None
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert _Watch.refused == [], _Watch.refused
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) * 1024
    assert grown < BYTES, f"it took {grown} bytes more"


class _Watch:
    """What the audit hook, which cannot be taken away again, looks at."""

    folder: Path | None = None
    refused: list[str] = []  # noqa: RUF012 - one for the whole process


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _Watch.folder is None:
        return
    if event.startswith(_PROGRAMS):
        _Watch.refused.append(event)
    elif event == "open":
        path, mode, flags = arguments
        if (isinstance(mode, str) and set(mode) & set("wax+")) or (flags or 0) & _WRITES:
            _check(event, path)
    elif event in _CHANGES:
        for path in arguments[:2]:
            _check(event, path)


def _check(event: str, path: Any) -> None:
    if not isinstance(path, str | bytes | os.PathLike):
        return  # a descriptor that is open already
    name = os.fsdecode(path)
    own = name == os.devnull or "__pycache__" in name
    inside = _Watch.folder is not None and Path(os.path.abspath(name)).is_relative_to(_Watch.folder)
    if not own and not inside:
        _Watch.refused.append(f"{event} {name}")


sys.addaudithook(_audit)
