"""The record of one run: what it is, what it gave, what it cost, where it ran.

Folder of one record: `results/<paper>/<cell>/<variant>/seed<k>-<budget>-<config digest[:8]>/` with
`record.json`, `scores.safetensors` (a column per metric), `curve.csv` (iteration, training loss,
validation value) and `weights.safetensors`.

`result` is a function of the protocol, the seed, the code and the machine's arithmetic: a run that
was killed and resumed gives it again bit for bit (`result_digest`). `measurement` and `environment`
say how long it took, where, and by which commit; they differ from run to run, and `measured_digest`
holds them to what was written with this result. Records from before it have none: their commit,
device and costs are held by the repository's history alone.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from harness.errors import HarnessError
from harness.plain_data import read_json
from harness.protocol import digest
from harness.records.again import run_again
from harness.records.consistency import contradiction
from harness.records.measured import Environment, Measurement, Protocol
from harness.shown import shown
from harness.typed_data import Count, Size, read_fields, read_value

SCHEMA = 1
OPTIONAL = ("data_note", "data_caveat", "training_note")
"""Fields that came later: left out where they are empty, so that older digests stay as they are."""
MEASURED = ("measurement", "environment", "measured_digest")
"""What is not part of the result."""


@dataclass(frozen=True)
class MetricSummary:
    """One metric over the test tasks; sd with n-1.

    `ci95`, 1.96 * sd / sqrt(n), is kept for the sake of older digests and shown nowhere: what is
    shown is Student's t (`harness.compare.statistics.summary_half_width`), as in all tables.
    None where a task's score is not a finite number (the scores say which).
    """

    mean: float | None
    sd: Size | None
    n: Count
    ci95: Size | None


@dataclass(frozen=True)
class Record:
    """One seed of one variant of one cell at one budget."""

    paper: str
    cell: str
    variant: str
    seed: Count
    budget: str
    """`full`, a fraction such as `0.1`, or `smoke`."""
    status: Literal["finished", "diverged"]
    status_note: str
    """Why, where the status is not `finished`: e.g. `loss was nan at iteration 512`."""
    iterations: Count
    """Meta-iterations of the run that gave the weights."""
    full_iterations: Count
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
    selected_iteration: Count
    """Iteration whose weights were tested; of an ensemble, the best by validation."""
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
    `tested` (the process that tested and wrote the record, likewise; with `weights_of`, a result's
    digest, where it tested the weights of another record), `train_seconds`,
    `test_seconds`, `seconds_per_step`, `peak_host_bytes`, `peak_device_bytes`,
    `operations_per_step`."""
    environment: dict[str, Any] = field(default_factory=dict)
    """Library versions, processor, device, driver, threads, TF32 and determinism state."""
    schema: int = SCHEMA
    data_note: str = ""
    """Why the data are not those that the paper reports on, so that there is no verdict."""
    data_caveat: str = ""
    """What to know about a true copy of the data that is not the copy known here."""
    training_note: str = ""
    """What the method says about its training, e.g. how many networks did not learn their task."""
    measured_digest: str = ""
    """sha256 over the result's digest, `measurement` and `environment`; '' in older records."""

    def sealed(self) -> Record:
        """Return the record with the digest of what was measured, ready to be written."""
        measured = digest([self.result_digest, self.measurement, self.environment])
        return replace(self, measured_digest=measured)

    def result(self) -> dict[str, Any]:
        """Return the part that is the same for equal runs: all but measurement and environment."""
        return {k: v for k, v in self._stored().items() if k not in MEASURED}

    @property
    def result_digest(self) -> str:
        """sha256 of `result()`."""
        return digest(self.result())

    def _stored(self) -> dict[str, Any]:
        later = (*OPTIONAL, "measured_digest")
        return {k: v for k, v in asdict(self).items() if v or k not in later}

    def to_json(self) -> str:
        """Return the record as stored."""
        table = {**self._stored(), "result_digest": self.result_digest}
        return json.dumps(table, indent=1, allow_nan=False) + "\n"


def read_record(path: Path) -> Record:
    """Read `record.json`; refuse another schema, fields that are missing, unknown or of another
    type, edited results, and a record that contradicts itself."""
    if not path.exists():
        raise HarnessError(
            f"{path.parent}: found no {path.name}, wanted the folder of a record, as in "
            "`ls -d results/PAPER/CELL/VARIANT/seed*`."
        )
    raw = read_json(path, "a readable record")
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        schema = raw.get("schema") if isinstance(raw, dict) else type(raw).__name__
        raise HarnessError(f"{path}: found schema {shown(schema)}, wanted {SCHEMA}.")
    stated = raw.pop("result_digest", None)
    record = read_fields(Record, raw, str(path), optional=(*OPTIONAL, "measured_digest"))
    for name, kind in _TABLES.items():
        read_value(kind, raw[name], f"{path}: {name}")
    if record.result_digest != stated:
        raise HarnessError(
            f"{path}: its result does not match its digest, so it was changed after the run; "
            f"run `harness run {record.paper}/{record.cell}` for a fresh one."
        )
    if "measured_digest" in raw and record.sealed() != record:
        raise HarnessError(
            f"{path}: its measurement or environment does not match measured_digest, so it was "
            f"changed after the run; restore the file, or run `{run_again(record)}` for another."
        )
    if said := contradiction(record):
        raise HarnessError(f"{path}: {said}; move its folder away.")
    return record


_TABLES: dict[str, Any] = {
    "protocol": Protocol,
    "measurement": Measurement,
    "environment": Environment,
}
