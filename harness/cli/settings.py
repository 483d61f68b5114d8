"""The HARNESS_* variables: a misspelt one would be ignored without a word."""

from __future__ import annotations

import os

from harness.errors import closest

_PREFIX = "HARNESS_"
READ = ("HARNESS_CACHE", "HARNESS_COMMIT", "HARNESS_DATA", "HARNESS_REPLICATIONS")
_TESTS = ("HARNESS_AGREEMENT_TABLE", "HARNESS_BENCH_STORE")


def unread() -> str:
    """Return a sentence on the HARNESS_* variables that nothing reads; '' where there are none."""
    odd = sorted(k for k in os.environ if k.startswith(_PREFIX) and k not in (*READ, *_TESTS))
    if not odd:
        return ""
    names = ", ".join(f"{name}{_near(name)}" for name in odd)
    return f"found {names} in the environment, which nothing here reads; wanted {', '.join(READ)}."


def _near(name: str) -> str:
    """Compare what follows the prefix that all share."""
    rest = [known.removeprefix(_PREFIX) for known in READ]
    return closest(name.removeprefix(_PREFIX), rest).replace("'", f"'{_PREFIX}", 1)
