"""Numbers on the command line, each with its range: `type=` of `argparse` options."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import TypeVar

from harness.errors import HarnessError
from harness.ranges import Range

N = TypeVar("N", int, float)

EACH_CORE = 4
"""Threads, or runs at a time, for each core at most: many more only get in each other's way, and
far more than the system has room for end the process."""
DAY_SECONDS = 86_400


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return what reads a whole number from `least` to `most`."""

    def read(text: str) -> int:
        return _said(Range(least, most).whole, text)

    return read


def real(least: float, most: float, above: bool = False) -> Callable[[str], float]:
    """Return what reads a number from `least` (without it where `above`) to `most`."""

    def read(text: str) -> float:
        return _said(Range(least, most, above).real, text)

    return read


def at_once() -> Callable[[str], int]:
    """Return what reads how many threads or processes work at a time on this machine."""
    return whole(1, EACH_CORE * (os.cpu_count() or 1))


def _said(read: Callable[[str], N], text: str) -> N:
    try:
        return read(text)
    except HarnessError as e:
        # The parser puts the option before it and what to do next behind it.
        raise argparse.ArgumentTypeError(str(e).rstrip(".")) from None
