"""What a paper's `paper.toml` states of an algorithm beside its switches: `[algorithms.<name>]`.

It is data, so that tables can be made without importing a paper's `method.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from harness.errors import HarnessError, closest
from harness.shown import shown

STEPS_AT_TEST = "steps at test"
NOT_STATED = "not stated"
INFERENCE = ("inductive", "transductive")


@dataclass(frozen=True)
class Stated:
    """No switch says these; without a table in `paper.toml` an algorithm has the defaults."""

    inference: str = NOT_STATED
    """`inductive` or `transductive` (queries of an episode are looked at together), for methods
    that have no switch `test_batch_norm` or `batch_norm_test` to say it. The two are never ranked
    together, and a method that does not say is not ranked."""
    counted: str = STEPS_AT_TEST
    """What k counts in the names `metric@k` of `evaluate`."""


def read_stated(table: dict[str, Any], where: str) -> Stated:
    """Read one `[algorithms.<name>]`; HarnessError for a key or a word that is not known."""
    known = [f.name for f in fields(Stated)]
    for name, value in table.items():
        if name not in known:
            raise HarnessError(
                f"{where}: unknown key {shown(name)}{closest(name, known)}; "
                f"wanted some of {', '.join(known)}."
            )
        if not isinstance(value, str) or not value:
            raise HarnessError(f"{where} {name}: found {shown(value)}, wanted text.")
    found = Stated(**table)
    if "inference" in table and found.inference not in INFERENCE:
        raise HarnessError(
            f"{where} inference: found {shown(found.inference)}"
            f"{closest(found.inference, INFERENCE)}; wanted {' or '.join(INFERENCE)}."
        )
    return found
