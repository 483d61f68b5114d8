"""What a paper's `paper.toml` states about an algorithm beside its switches: `[algorithms.<name>]`.

It is data, so that tables can be made without importing a paper's `method.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
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
    """`inductive`, or `transductive` where queries of an episode are looked at together. The two
    are never ranked together, and a method that does not say is not ranked."""
    inference_switch: str = ""
    """The method's switch that says it instead: its value is `transductive`, or anything else."""
    counted: str = STEPS_AT_TEST
    """What k counts in the names `metric@k` of `evaluate`."""
    older_records: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Switches that came later, by section, with the values of records that were made before
    them."""

    def recorded(self, protocol: Mapping[str, Any]) -> dict[str, Any]:
        """Return a protocol as records and digests have it: a switch that came later is left out
        where it has the value that older records had, so that these keep their digests."""
        written = dict(protocol)
        for section, older in self.older_records.items():
            there = written.get(section, {})
            written[section] = {k: v for k, v in there.items() if k not in older or v != older[k]}
        return written

    def inference_of(self, protocol: Mapping[str, Any]) -> str:
        """Return the inference of a method with these switches by section."""
        method = protocol.get("method", {})
        if self.inference_switch not in method:
            return self.inference
        value = method[self.inference_switch]
        return "transductive" if value == "transductive" else "inductive"

    def complete(self, protocol: Mapping[str, Any]) -> dict[str, Any]:
        """Return the protocol of a record with the switches that `recorded` left out."""
        completed = dict(protocol)
        for section, older in self.older_records.items():
            completed[section] = {**older, **completed.get(section, {})}
        return completed


def read_stated(table: dict[str, Any], where: str) -> Stated:
    """Read one `[algorithms.<name>]`; HarnessError for a key or a word that is not known."""
    known = [f.name for f in fields(Stated)]
    older = table.get("older_records", {})
    if not isinstance(older, dict) or not all(isinstance(v, dict) for v in older.values()):
        raise HarnessError(
            f"{where} older_records: found {shown(older)}, wanted a table of switches by section."
        )
    table = {k: v for k, v in table.items() if k != "older_records"}
    for name, value in table.items():
        if name not in known:
            raise HarnessError(
                f"{where}: unknown key {shown(name)}{closest(name, known)}; "
                f"wanted some of {', '.join(known)}."
            )
        if not isinstance(value, str) or not value:
            raise HarnessError(f"{where} {name}: found {shown(value)}, wanted text.")
    stated = Stated(**table, older_records=older)
    if "inference" in table and stated.inference not in INFERENCE:
        raise HarnessError(
            f"{where} inference: found {shown(stated.inference)}"
            f"{closest(stated.inference, INFERENCE)}; wanted {' or '.join(INFERENCE)}."
        )
    return stated
