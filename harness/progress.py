"""Progress on standard error: done, rate, time left, the current validation value."""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass
from typing import TextIO

from harness.report.plain_text import plain


def duration(seconds: float) -> str:
    """Write seconds as `42 s`, `3 min 20 s` or `2 h 05 min`."""
    s = round(seconds)
    if s < 60:
        return f"{s} s"
    if s < 3600:
        return f"{s // 60} min {s % 60:02d} s"
    return f"{s // 3600} h {s % 3600 // 60:02d} min"


@dataclass(frozen=True)
class Standing:
    """Where work without a known end stands."""

    words: str
    """What is done, and of how much."""
    bound: str
    """What stands before the time left: `about `, `at least `, `at most ` or nothing."""
    left: int
    """What is left to do, within that bound."""


class Progress:
    """A line that is rewritten on a terminal, and printed now and then elsewhere."""

    def __init__(self, label: str, total: int, done: int = 0, stream: TextIO | None = None) -> None:
        self.label, self.total, self.first, self.done = label, total, done, done
        # Below what makes text harmless for a terminal: rewriting a line takes control characters.
        chosen = stream or sys.stderr
        self.stream: TextIO | None = getattr(chosen, "unfiltered", chosen)
        if getattr(self.stream, "closed", False):
            self.stream = None
        self.terminal = self.stream is not None and self.stream.isatty()
        self.every = 0.5 if self.terminal else 15.0
        self.start = self.last = time.monotonic()
        self.shown = False

    def update(self, done: int, note: str = "", standing: Standing | None = None) -> None:
        """Print where the work stands, if it is time to; in the words of `standing` if given."""
        self.done = done
        now = time.monotonic()
        if now - self.last < self.every or done <= self.first:
            return
        self.last = now
        rate = (done - self.first) / (now - self.start)
        at = standing or Standing(f"{done:,}/{self.total:,}", "", self.total - done)
        left = f"{at.bound}{duration(at.left / rate)}"
        line = f"{self.label}: {at.words}, {rate:.4g}/s, {left} left"
        line += f", {note}" if note else ""
        self.shown = True
        self._print(plain(line), "\x1b[K\r" if self.terminal else "\n")

    def add(self, more: int, note: str = "") -> None:
        """Note that so much more is done."""
        self.update(self.done + more, note)

    def close(self) -> None:
        """Leave the terminal line."""
        if self.terminal and self.shown:
            self._print("", "\n")

    def _print(self, line: str, end: str) -> None:
        """Print if possible: neither a full disk under a log nor a lost terminal stops a run."""
        if self.stream is not None:
            with contextlib.suppress(OSError, ValueError):
                print(line, end=end, file=self.stream, flush=True)
