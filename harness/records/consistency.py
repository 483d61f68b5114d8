"""What the parts of a record say about each other: its budget, its length, its seed, its test
tasks.

A record of one iteration that is relabelled `full` would get a verdict, with a digest that fits.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from harness.protocol import digest

if TYPE_CHECKING:
    from harness.records.schema import Record

_SHA256 = re.compile(r"[0-9a-f]{64}")


def contradiction(record: Record) -> str:
    """Say, as `found …, wanted …`, where `record` contradicts itself; '' where it does not."""
    r = record
    named = digest([r.paper, r.cell, r.variant, r.protocol, r.seed, r.budget])
    if r.config_digest != named:
        return "found a config_digest of another protocol, seed or budget, wanted its own"
    if r.full_iterations != (full := r.protocol["training"]["iterations"]):
        return f"found full_iterations {r.full_iterations}, wanted {full}, as its protocol says"
    if r.status == "diverged" and r.metrics:
        return "found metrics of a run that diverged, wanted none"
    for name, sha in r.files.items():
        if name.startswith(".") or Path(name).name != name or not _SHA256.fullmatch(sha):
            return f"found {sha[:80]!r} for file {name[:80]!r}, wanted a plain name and its sha256"
    if r.selected_iteration > r.iterations:
        return f"found selected_iteration {r.selected_iteration} after {r.iterations} iterations"
    return _length(r) or _sessions(r) or _tasks(r)


def _length(r: Record) -> str:
    """Compare the iterations with those of the budget, and with early stopping."""
    t = r.protocol["training"]
    trained = f"found {r.iterations} iterations at budget {r.budget}"
    if r.budget == "smoke":
        return ""
    if r.budget == "full":
        most, room = t["iteration_cap"], 0.0
    else:
        try:
            fraction = float(r.budget)
        except ValueError:
            fraction = 1.0
        if not 0 < fraction < 1 or f"{fraction:g}" != r.budget:
            return f"found budget {r.budget[:80]!r}, wanted full, smoke or a fraction such as 0.1"
        # The label has six digits of the fraction.
        most, room = max(1, round(fraction * t["iterations"])), 1 + 1e-5 * t["iterations"]
    if r.iterations > most + room:
        return f"{trained}, wanted {most}, as its protocol says"
    if r.status == "diverged" or r.iterations >= most - room:
        return ""
    waited = t["validate_every"] * t["patience"]
    early = 0 < waited < r.iterations and r.iterations % t["validate_every"] == 0
    return "" if early else f"{trained}, wanted {most}, as its protocol says"


def _sessions(r: Record) -> str:
    """Compare the iterations with what the sessions of training did."""
    done = [s.get("iterations") for s in r.measurement.get("sessions") or []]
    if r.budget == "smoke" or not done or None in done or sum(done) >= r.iterations:
        return ""
    return f"found {r.iterations} iterations, and {sum(done)} in its sessions"


def _tasks(r: Record) -> str:
    """Compare the number of test tasks with that of the protocol."""
    wanted = r.protocol["testing"]["tasks"]
    for name, metric in r.metrics.items():
        fits = metric.n <= wanted if r.budget == "smoke" else metric.n == wanted
        if not fits:
            return (
                f"found {metric.n} test tasks of {name[:80]}, wanted {wanted}, as its protocol says"
            )
    return ""
