"""An explanation as it is kept: the run, how it was tested, and what each switch is worth.

`results/explain/<paper>/<cell>/<variant>-seed<k>-<budget>-<config digest[:8]>.json`, one for a
record; a newer one takes its place.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.durable import write_whole
from harness.errors import HarnessError
from harness.explain.effect import EffectRow
from harness.folders import entries
from harness.plain_data import read_json
from harness.protocol import digest
from harness.records.measured import Session
from harness.records.schema import Record
from harness.shown import shown
from harness.typed_data import Count, Size, read_fields, read_value

SCHEMA = 1


@dataclass(frozen=True)
class Explanation:
    """The run as it was tested, and a row for each alternative, the largest effect first."""

    paper: str
    cell: str
    variant: str
    seed: Count
    budget: str
    """Of the run that is explained."""
    config_digest: str
    record_digest: str
    """`result_digest` of the record: which weights were tested."""
    record_commits: tuple[str, ...]
    """The code that its training and test ran from."""
    synthetic: bool
    metric: str
    mean: float
    interval: Size
    """Half-width of the 95 % interval of `mean` over test tasks."""
    tasks: Count
    recorded: float | None
    """The record's own mean over the same tasks; None where it was tested on others."""
    published: tuple[str, ...]
    """What the paper and re-runs print for this variant."""
    tested: dict[str, Any]
    """Who measured: `commit`, `clean`, `device`, `processor`, `threads`, `end`."""
    rows: tuple[EffectRow, ...]
    schema: int = SCHEMA

    @property
    def key(self) -> str:
        """`paper/cell`."""
        return f"{self.paper}/{self.cell}"

    def to_json(self) -> str:
        """Return the explanation as stored, with a digest that an edited number no longer fits."""
        table = asdict(self)
        return json.dumps({**table, "digest": digest(table)}, indent=1, allow_nan=False) + "\n"


def explanation_path(results: Path, explanation: Explanation) -> Path:
    """Return the file of an explanation."""
    e = explanation
    name = f"{e.variant}-seed{e.seed}-{e.budget}-{e.config_digest[:8]}.json"
    return results / "explain" / e.paper / e.cell / name


def write_explanation(results: Path, explanation: Explanation) -> Path:
    """Write it whole or not at all, in place of the one before; return its file."""
    path = explanation_path(results, explanation)
    write_whole(path, explanation.to_json())
    return path


def find_explanations(results: Path, key: str) -> list[Explanation]:
    """Read the explanations of the cell `paper/cell`, by file name."""
    paper, _, cell = key.partition("/")
    folder = results / "explain" / paper / cell
    return [read_explanation(path) for path in entries(folder, ".json")]


def read_explanation(path: Path) -> Explanation:
    """Read one; refuse another schema, a field too many, too few or of another type, an edited
    number, and a file that lies in the place of another."""
    raw = read_json(path, "a readable explanation")
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        schema = raw.get("schema") if isinstance(raw, dict) else type(raw).__name__
        raise HarnessError(f"{path}: found schema {shown(schema)}, wanted {SCHEMA}.")
    stated = raw.pop("digest", None)
    if digest(raw) != stated:
        raise HarnessError(
            f"{path}: its numbers do not fit its digest, so it was edited; "
            f"run `harness explain` again."
        )
    whole = read_fields(Explanation, raw, str(path))
    read_value(Session, whole.tested, f"{path}: tested")
    if explanation_path(path.parents[3], whole) != path:
        raise HarnessError(
            f"{path}: found an explanation of {whole.key}/{whole.variant}, wanted the one its "
            f"place names; move it back there."
        )
    return whole


def commits(record: Record) -> tuple[str, ...]:
    """Name the commits that a record's training and test ran from."""
    m = record.measurement
    who = [*(m.get("sessions") or ()), m.get("tested") or {}]
    return tuple(dict.fromkeys(str(s["commit"]) for s in who if s.get("commit")))
