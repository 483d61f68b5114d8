"""The engines by name. A new engine is one module with `meta_gradient` and one line here."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from harness.errors import HarnessError, closest
from harness.meta_gradient.problem import Engine

ENGINES = {
    "batched": "harness.meta_gradient.batched.engine",
    "func": "harness.meta_gradient.func",
    "loop": "harness.meta_gradient.loop",
    "higher": "harness.meta_gradient.with_higher",
}
DEFAULT = "batched"
_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9}


def engine(name: str) -> Engine:
    """Give the engine called `name`; `batched:500MB` is `batched` within a memory budget."""
    bare, _, budget = name.partition(":")
    if bare not in ENGINES:
        raise HarnessError(
            f"found engine {name!r}{closest(name, ENGINES)}; wanted one of {', '.join(ENGINES)}."
        )
    if budget:
        return _within(bare, budget)
    found: Engine = import_module(ENGINES[bare]).meta_gradient
    return found


@cache
def _within(bare: str, budget: str) -> Engine:
    from harness.meta_gradient.batched.engine import Batched

    number, unit = budget[:-2], budget[-2:].upper()
    if bare != "batched" or unit not in _UNITS or not number.isdigit() or int(number) == 0:
        raise HarnessError(
            f"found engine '{bare}:{budget}'; wanted a memory budget as in 'batched:500MB' (KB, MB "
            "or GB; engine batched alone has one)."
        )
    return Batched(int(number) * _UNITS[unit])
