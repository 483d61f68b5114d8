"""Giving up on a measurement that takes too long."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


class OverLimit(Exception):
    """A measurement would take longer than it may; the message says how that was seen."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `OverLimit` when `seconds` are over (main thread only; between two operations)."""

    def over(_number: int, _frame: FrameType | None) -> NoReturn:
        raise OverLimit(f"it was not done after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
