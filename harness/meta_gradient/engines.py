"""The engines by name. A new engine is one module with `meta_gradient` and one line here."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module

import torch

from harness.errors import HarnessError, closest
from harness.meta_gradient.problem import Engine
from harness.shown import shown

ENGINES = {
    "batched": "harness.meta_gradient.batched.engine.engine",
    "func": "harness.meta_gradient.func",
    "loop": "harness.meta_gradient.loop",
    "higher": "harness.meta_gradient.with_higher",
}
DEFAULT = "batched"
_NUMBER = re.compile("0*[1-9][0-9]{0,8}")
_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9}


def engine(name: str) -> Engine:
    """Return the engine called `name`, with options if it is `batched`.

    `batched:500MB` keeps within a memory budget, `batched:bf16` rounds the factors of products to
    bfloat16, `batched:500MB:bf16` does both.
    """
    bare, *options = name.split(":")
    if bare not in ENGINES:
        raise HarnessError(
            f"found engine {name!r}{closest(name, ENGINES)}; wanted one of {', '.join(ENGINES)}."
        )
    if options:
        return _with_options(name, bare, *options)
    chosen: Engine = import_module(ENGINES[bare]).meta_gradient
    return chosen


@cache
def _with_options(name: str, bare: str, *options: str) -> Engine:
    from harness.meta_gradient.batched.engine.engine import Batched

    factors, budget = None, None
    for option in options:
        number, unit = option[:-2], option[-2:].upper()
        if bare == "batched" and option == "bf16" and factors is None:
            factors = torch.bfloat16
        elif bare == "batched" and unit in _UNITS and _NUMBER.fullmatch(number):
            budget = int(number) * _UNITS[unit]
        else:
            raise HarnessError(
                f"found engine {shown(name)}; wanted a memory budget as in 'batched:500MB' (KB, MB "
                "or GB), 'batched:bf16', or both as in 'batched:500MB:bf16' (engine batched alone "
                "has options)."
            )
    return Batched(budget, factors)
