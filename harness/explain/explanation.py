"""An explanation as it is kept: the run, how it was tested, and what each switch is worth.

`results/explain/<paper>/<cell>/<variant>-seed<k>-<budget>-<config digest[:8]>.json`, one for a
record; a newer one takes its place.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.durable import write_whole
from harness.errors import HarnessError
from harness.explain.effect import EffectRow
from harness.plain_file import read_plain
from harness.protocol import digest
from harness.records.schema import Record

SCHEMA = 1


@dataclass(frozen=True)
class Explanation:
    """The run as it was tested, and a row for each alternative, the largest effect first."""

    paper: str
    cell: str
    variant: str
    seed: int
    budget: str
    """Of the run that is explained."""
    config_digest: str
    record_digest: str
    """`result_digest` of the record: which weights were tested."""
    record_commits: tuple[str, ...]
    """From which code its training and test were."""
    synthetic: bool
    metric: str
    mean: float
    interval: float
    """Half-width of the 95 % interval of `mean` over test tasks."""
    tasks: int
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
        """Give the explanation as stored, with a digest that an edited number no longer fits."""
        table = asdict(self)
        return json.dumps({**table, "digest": digest(table)}, indent=1, allow_nan=False) + "\n"


def explanation_path(results: Path, found: Explanation) -> Path:
    """Give the file of an explanation."""
    name = f"{found.variant}-seed{found.seed}-{found.budget}-{found.config_digest[:8]}.json"
    return results / "explain" / found.paper / found.cell / name


def write_explanation(results: Path, found: Explanation) -> Path:
    """Write it whole or not at all, in place of the one before; give its file."""
    path = explanation_path(results, found)
    write_whole(path, found.to_json())
    return path


def find_explanations(results: Path, key: str) -> list[Explanation]:
    """Read the explanations of the cell `paper/cell`, by file name."""
    folder = results / "explain" / key
    return [read_explanation(path) for path in sorted(folder.glob("[!.]*.json"))]


def read_explanation(path: Path) -> Explanation:
    """Read one; refuse another schema, a field too many or too few, and an edited number."""
    try:
        raw = json.loads(read_plain(path).decode("utf-8"))
    except (OSError, ValueError) as e:
        raise HarnessError(f"{path}: not a readable explanation: {e}.") from None
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        found = raw.get("schema") if isinstance(raw, dict) else type(raw).__name__
        raise HarnessError(f"{path}: found schema {found!r}, wanted {SCHEMA}.")
    stated = raw.pop("digest", None)
    if digest(raw) != stated:
        raise HarnessError(
            f"{path}: its numbers do not fit its digest, so it was edited; "
            f"run `harness explain` again."
        )
    rows = tuple(_row(r, path) for r in raw.pop("rows", ()))
    lists = {k: tuple(raw.get(k) or ()) for k in ("record_commits", "published")}
    whole: Explanation = _filled(Explanation, raw | lists | {"rows": rows}, path)
    return whole


def commits(record: Record) -> tuple[str, ...]:
    """Name the commits that a record's training and test ran from."""
    m = record.measurement
    who = [*(m.get("sessions") or ()), m.get("tested") or {}]
    return tuple(dict.fromkeys(str(s["commit"]) for s in who if s.get("commit")))


def _row(raw: Any, path: Path) -> EffectRow:
    lists = {"differs_from": tuple(raw.get("differs_from") or ())}
    found: EffectRow = _filled(EffectRow, raw | lists, path)
    return found


def _filled(cls: Any, values: dict[str, Any], path: Path) -> Any:
    names = {f.name for f in dataclasses.fields(cls)}
    if set(values) != names:
        odd = sorted(set(values) ^ names)[0]
        raise HarnessError(f"{path}: field {odd!r} is missing or unknown.")
    return cls(**values)
