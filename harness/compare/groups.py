"""Groups of records that differ in their training seed alone: what one row is made of."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from harness.catalog import SECTIONS
from harness.protocol import digest
from harness.records.schema import Record
from harness.records.store import StoredRecord

# Switches that say how much memory is used, and not what the number means.
WITHOUT_MEANING = ("testing.tasks_at_once",)


@dataclass(frozen=True)
class Group:
    """Records of one variant with one budget, protocol, data, set of test tasks and device kind."""

    paper: str
    cell: str
    variant: str
    budget: str
    device: str
    differences: tuple[str, ...]
    """Switches that differ from the published cell, `section.switch: published -> run`."""
    runs: tuple[StoredRecord, ...]
    """All of them, by seed, diverged ones too."""

    @cached_property
    def records(self) -> list[Record]:
        """The records of `runs`."""
        return [run.record for run in self.runs]

    @cached_property
    def finished(self) -> list[StoredRecord]:
        """Runs that gave scores."""
        return [run for run in self.runs if run.record.status == "finished"]

    @property
    def metrics(self) -> list[str]:
        """Metrics that every finished run has, in the first run's order."""
        if not self.finished:
            return []
        first, *others = (list(run.record.metrics) for run in self.finished)
        return [m for m in first if all(m in other for other in others)]

    def scores(self, metric: str) -> np.ndarray:
        """Scores of `metric` [finished seeds, tasks]."""
        return np.stack([run.scores[metric] for run in self.finished])

    def folders(self, results: Path) -> tuple[str, ...]:
        """Return the folders of `runs`, relative to the results folder."""
        return tuple(run.folder.relative_to(results).as_posix() for run in self.runs)

    @property
    def data_notes(self) -> list[str]:
        """Why the data are not those that the paper reports on, once each; empty if they are."""
        return sorted({r.data_note for r in self.records if r.data_note})

    def obstacles(self) -> list[str]:
        """Return what keeps these runs from a verdict; empty if nothing does."""
        reasons = []
        diverged = [r for r in self.records if r.status != "finished"]
        if diverged:
            each = "; ".join(f"seed {r.seed}: {r.status_note or r.status}" for r in diverged)
            reasons.append(f"{len(diverged)} of {len(self.runs)} seeds diverged ({each})")
        if len({r.training_digest for r in self.records}) < len(self.runs):
            seeds = ", ".join(str(r.seed) for r in self.records)
            reasons.append(f"seeds {seeds} are not of as many trainings")
        if any(r.synthetic for r in self.records):
            reasons.append("synthetic data")
        reasons += self.data_notes
        if self.budget != "full":
            reasons.append(f"budget {self.budget}, not full")
        if self.differences:
            reasons.append(f"switches differ: {'; '.join(self.differences)}")
        return reasons


def same_trainings(a: Group, b: Group) -> bool:
    """Return whether finished runs of both, seed by seed, are tests of the same weights."""
    x, y = ([run.record.training_digest for run in group.finished] for group in (a, b))
    return x == y


def tested_on_more(group: Group, others: Iterable[Group]) -> Group | None:
    """Return the group that tests the very weights of `group` in the same way on more tasks, as
    another variant of the cell."""
    for other in others:
        alike = (other.paper, other.cell, other.budget) == (group.paper, group.cell, group.budget)
        if not alike or other.differences or not group.finished:
            continue
        if other is group or not same_trainings(group, other):
            continue
        here, there = (_flat(g.finished[0].record.protocol) for g in (group, other))
        more = there["testing.tasks"] > here["testing.tasks"]
        apart = {k for k in (*here, *there) if here.get(k) != there.get(k)}
        if more and apart <= {"testing.tasks", *WITHOUT_MEANING}:
            return other
    return None


def group_records(
    records: Iterable[StoredRecord], protocols: dict[str, dict[str, Any]]
) -> list[Group]:
    """Group `records`; `protocols` holds today's switches by `paper/cell/variant`, as
    `Cell.written` gives them.

    Groups come by variant, then those with fewer switches that differ, then those with fewer
    obstacles, then longer trainings, then more seeds.
    """
    buckets: dict[tuple[Any, ...], list[StoredRecord]] = {}
    for stored in records:
        r = stored.record
        today = protocols.get(f"{r.paper}/{r.cell}/{r.variant}")
        departures = tuple(differences(r, today))
        meaning = digest({k: v for k, v in _flat(r.protocol).items() if k not in WITHOUT_MEANING})
        where = (r.paper, r.cell, r.variant, r.budget, device_kind(r), departures)
        key = (*where, meaning, r.data_digest, r.tasks_digest, r.synthetic, r.data_note)
        buckets.setdefault(key, []).append(stored)
    groups = []
    for key, runs in buckets.items():
        paper, cell, variant, budget, device, departures = key[:6]
        # Of one seed's runs, which differ in what has no meaning, one counts.
        runs = list({s.record.seed: s for s in sorted(runs, key=lambda s: s.folder)}.values())
        runs.sort(key=lambda s: s.record.seed)
        groups.append(Group(paper, cell, variant, budget, device, departures, tuple(runs)))
    return sorted(groups, key=_order)


def differences(record: Record, today: dict[str, Any] | None) -> list[str]:
    """List the switches in which `record` departs from the published cell.

    Both as the record states them and against today's `paper.toml`, which may have been corrected
    after the run: a record of a setting that is no longer the published one gets no verdict.
    """
    lines = {line.split(":")[0]: line for line in record.protocol_differences}
    if today is not None:
        wanted, run = _flat(today), _flat(record.protocol)
        for name in (*wanted, *(n for n in run if n not in wanted)):
            if not _same(wanted.get(name), run.get(name)):
                old, new = (_text(flat, name) for flat in (wanted, run))
                lines[name] = f"{name}: {old} -> {new}"
    return [line for name, line in lines.items() if name not in WITHOUT_MEANING]


def device_kind(record: Record) -> str:
    """Return the kind of device of all sessions, e.g. `cpu`, `cuda`, `cpu+cuda`."""
    sessions = record.measurement.get("sessions") or []
    kinds = {str(s.get("device") or "unknown").split(":")[0] for s in sessions}
    return "+".join(sorted(kinds)) or "unknown"


def _flat(protocol: dict[str, Any]) -> dict[str, Any]:
    flat = {k: v for k, v in protocol.items() if k not in SECTIONS}
    for section in SECTIONS:
        flat |= {f"{section}.{k}": v for k, v in protocol.get(section, {}).items()}
    return flat


def _same(a: Any, b: Any) -> bool:
    """Return whether two switches are set alike: 1 and 1.0 are, 1 and true are not."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


def _text(flat: dict[str, Any], name: str) -> str:
    return json.dumps(flat[name]) if name in flat else "not there"


def _order(group: Group) -> tuple[str, str, str, int, int, int, int]:
    longest = max(record.iterations for record in group.records)
    where = (group.paper, group.cell, group.variant)
    apart = (len(group.differences), len(group.obstacles()))
    return (*where, *apart, -longest, -len(group.finished))
