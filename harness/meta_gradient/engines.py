"""The engines by name. A new engine is one module with `meta_gradient` and one line here."""

from __future__ import annotations

from importlib import import_module

from harness.errors import HarnessError, closest
from harness.meta_gradient.problem import Engine

ENGINES = {
    "func": "harness.meta_gradient.func",
    "loop": "harness.meta_gradient.loop",
    "higher": "harness.meta_gradient.with_higher",
}
DEFAULT = "func"


def engine(name: str) -> Engine:
    """Give the engine called `name`."""
    if name not in ENGINES:
        raise HarnessError(
            f"found engine {name!r}{closest(name, ENGINES)}; wanted one of {', '.join(ENGINES)}."
        )
    found: Engine = import_module(ENGINES[name]).meta_gradient
    return found
