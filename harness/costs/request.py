"""One measurement, as the words of the command that makes it in a process of its own; and how such
a process can end."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

MEASURED, OVER, FULL, FAILED = "measured", "over limit", "out of memory", "failed"
NOT_ASKED = "not asked"
NOT_YET = "not yet"
"""On record where memory was left out, and where it is still to come; no process says this."""
NO_TASKS = "no tasks"
"""Their data are missing or damaged: no point can be measured, and nothing is recorded."""


@dataclass(frozen=True)
class Request:
    """What `python -m harness.costs.measure_point` is asked for."""

    kind: str
    """`time` or `memory`: never both in one process, for what speeds up takes memory."""
    cell: str
    variant: str
    engine: str
    device: str
    threads: int
    seconds: float
    """Time to spend on timed meta-steps."""
    limit: float
    """Seconds after which measuring is given up."""
    sets: tuple[str, ...]
    """`section.switch=value`."""
    operations: bool
    """Also count operations (`time` only)."""

    def words(self) -> list[str]:
        """Return the request as command-line words."""
        words = [self.kind, self.cell, self.variant, "--engine", self.engine]
        words += ["--device", self.device, "--threads", str(self.threads)]
        words += ["--seconds", str(self.seconds), "--limit", str(self.limit)]
        for text in self.sets:
            words += ["--set", text]
        return [*words, "--operations"] if self.operations else words


def parse(words: list[str] | None) -> Request:
    """Read the words again."""
    parser = argparse.ArgumentParser(prog="python -m harness.costs.measure_point")
    add = parser.add_argument
    add("kind", choices=("time", "memory"))
    add("cell")
    add("variant")
    add("--engine", required=True)
    add("--device", choices=("cpu", "cuda"), required=True)
    add("--threads", type=int, required=True)
    add("--seconds", type=float, required=True)
    add("--limit", type=float, required=True)
    add("--set", action="append", default=[], dest="sets")
    add("--operations", action="store_true")
    given = vars(parser.parse_args(words))
    return Request(**{**given, "sets": tuple(given["sets"])})
