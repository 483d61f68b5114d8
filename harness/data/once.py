"""A cache that builds each value once, also where several threads ask for it at once."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Once(Generic[P, T]):
    """A function with hashable arguments that keeps its last four values.

    `functools.lru_cache` alone lets two threads build the same images at once, twice the memory and
    the time. Here the second one waits; one that fails is tried anew by the next.
    """

    def __init__(self, build: Callable[P, T]) -> None:
        self._kept = functools.lru_cache(maxsize=4)(build)
        self._lock = threading.Lock()
        functools.update_wrapper(self, build)

    def __call__(self, *arguments: P.args, **named: P.kwargs) -> T:
        """Return the value, built or kept."""
        with self._lock:
            return self._kept(*arguments, **named)  # type: ignore[arg-type]

    def cache_clear(self) -> None:
        """Forget what is kept."""
        self._kept.cache_clear()
