"""Progress of slow work on stderr: done, rate, time left. Silent while the work is quick."""

from __future__ import annotations

import sys
import time

QUIET_SECONDS = 2.0


class Progress:
    """Counts `total` things; prints at most once a second, or every 10 s where nobody watches."""

    def __init__(self, what: str, total: int) -> None:
        self.what = what
        self.total = total
        self.done = 0
        self._watched = sys.stderr.isatty()
        self._start = time.monotonic()
        self._next = self._start + QUIET_SECONDS
        self._shown = False

    def advance(self, count: int) -> None:
        """Say that `count` more things are done."""
        self.done += count
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (1.0 if self._watched else 10.0)
        self._shown = True
        rate = self.done / (now - self._start)
        left = (self.total - self.done) / rate
        line = f"{self.what}: {self.done}/{self.total}, {rate:.0f}/s, {left:.0f} s left"
        print(line, file=sys.stderr, end="\r" if self._watched else "\n", flush=True)

    def close(self) -> None:
        """End the line, if one was shown."""
        if self._shown:
            seconds = time.monotonic() - self._start
            print(f"{self.what}: {self.done} in {seconds:.1f} s".ljust(72), file=sys.stderr)
