"""The record of one run: what it is, what it gave, what it cost, where it ran.

Folder of one record: `results/<paper>/<cell>/<variant>/seed<k>-<budget>-<config digest[:8]>/` with
`record.json`, `scores.safetensors` (a column a metric), `curve.csv` (iteration, training
loss, validation value) and `weights.safetensors`.

`result` is a function of the protocol, the seed, the code and the machine's arithmetic: a run that
was killed and resumed gives it again bit for bit (`result_digest`). `measurement` and `environment`
say how long it took and where; they differ from run to run.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.plain_file import read_plain
from harness.protocol import digest

SCHEMA = 1


@dataclass(frozen=True)
class MetricSummary:
    """One metric over the test tasks. `ci95` is the half-width 1.96 * sd / sqrt(n), sd with n-1.

    None where a task's score is not a finite number (the scores say which).
    """

    mean: float | None
    sd: float | None
    n: int
    ci95: float | None


@dataclass(frozen=True)
class Record:
    """One seed of one variant of one cell at one budget."""

    paper: str
    cell: str
    variant: str
    seed: int
    budget: str
    """`full`, a fraction such as `0.1`, or `smoke`."""
    status: str
    """`finished` or `diverged`."""
    status_note: str
    """Why, where the status is not `finished`: e.g. `loss was nan at iteration 512`."""
    iterations: int
    """Meta-iterations of the run that gave the weights."""
    full_iterations: int
    protocol: dict[str, Any]
    """Every switch, as run."""
    protocol_differences: list[str]
    """Switches that differ from the published cell, as `section.switch: published -> run`."""
    config_digest: str
    """sha256 over protocol, seed and budget."""
    training_digest: str
    """sha256 over what training depends on: equal digests share their training."""
    data_digest: str
    synthetic: bool
    tasks_digest: str
    """sha256 of the test tasks: equal digests can be compared task by task."""
    selected_iteration: int
    """Iteration whose weights were tested."""
    validation: float | None
    """Best validation value of the training, in the unit of the watched metric. Where variants
    share a training it was measured once, with the test switches of the one that ran first."""
    metrics: dict[str, MetricSummary]
    """By metric name; accuracies in percent. Empty for a diverged run."""
    files: dict[str, str]
    """sha256 of each file beside the record."""
    measurement: dict[str, Any] = field(default_factory=dict)
    """`sessions` of training (commit, clean, start, end, iterations, device, engine,
    processor, threads, each),
    `tested` (the process that tested and wrote the record, likewise), `train_seconds`,
    `test_seconds`, `seconds_per_step`, `peak_host_bytes`, `peak_device_bytes`,
    `operations_per_step`."""
    environment: dict[str, Any] = field(default_factory=dict)
    """Library versions, processor, device, driver, threads, TF32 and determinism state."""
    schema: int = SCHEMA

    def result(self) -> dict[str, Any]:
        """Give the part that is the same for equal runs: all but measurement and environment."""
        found = asdict(self)
        del found["measurement"], found["environment"]
        return found

    @property
    def result_digest(self) -> str:
        """sha256 of `result()`."""
        return digest(self.result())

    def to_json(self) -> str:
        """Give the record as stored."""
        table = {**asdict(self), "result_digest": self.result_digest}
        return json.dumps(table, indent=1, allow_nan=False) + "\n"


def read_record(path: Path) -> Record:
    """Read `record.json`; refuse another schema, missing fields and edited results."""
    try:
        raw = json.loads(read_plain(path).decode("utf-8"))
    except FileNotFoundError:
        raise HarnessError(
            f"{path.parent}: found no {path.name}, wanted the folder of a record, as in "
            "`ls -d results/PAPER/CELL/VARIANT/seed*`."
        ) from None
    except (OSError, ValueError) as e:
        raise HarnessError(f"{path}: not a readable record: {e}.") from None
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        found = raw.get("schema") if isinstance(raw, dict) else type(raw).__name__
        raise HarnessError(f"{path}: found schema {found!r}, wanted {SCHEMA}.")
    stated = raw.pop("result_digest", None)
    names = {f.name for f in fields(Record)}
    if set(raw) != names:
        odd = sorted(set(raw) ^ names)[0]
        raise HarnessError(f"{path}: field {odd!r} is missing or unknown.")
    try:
        raw["metrics"] = {k: MetricSummary(**v) for k, v in raw["metrics"].items()}
    except (AttributeError, TypeError) as e:
        raise HarnessError(f"{path}: its metrics are not those of a record: {e}.") from None
    record = Record(**raw)
    if record.result_digest != stated:
        raise HarnessError(
            f"{path}: its result does not match its digest, so it was changed after the run; "
            f"run `harness run {record.paper}/{record.cell}` for a fresh one."
        )
    return record
