"""Types of what a record holds as plain tables: switches, sessions, costs, environment.

A table may have more keys than are named here; those that are named are read by something.
"""

from __future__ import annotations

from typing import Any, TypedDict

from harness.typed_data import Count, Size


class TrainingSwitches(TypedDict):
    """Of `protocol.training`, those that say how long a run is."""

    iterations: Count
    iteration_cap: Count
    patience: Count
    validate_every: Count
    validation_metric: str
    selection: str


class TestingSwitches(TypedDict):
    """Of `protocol.testing`, the number of test tasks."""

    tasks: Count


class Protocol(TypedDict):
    """Every switch, by section."""

    task_source: str
    algorithm: str
    tasks: dict[str, Any]
    method: dict[str, Any]
    training: TrainingSwitches
    testing: TestingSwitches


class Session(TypedDict, total=False):
    """A session of training, or the process that tested."""

    commit: str | None
    clean: bool | None
    device: str
    engine: str
    captured: bool
    processor: str
    threads: Count
    threads_from: str
    """Why so many, e.g. `OMP_NUM_THREADS`."""
    data: str
    """Digest of the data that it used."""
    weights_of: str
    """Of a test of kept weights: the result's digest of the record that kept them."""
    start: str
    end: str
    iterations: Count


class Measurement(TypedDict, total=False):
    """How long a run took and what it needed."""

    sessions: list[Session]
    tested: Session
    train_seconds: Size | None
    test_seconds: Size | None
    seconds_per_step: Size | None
    peak_host_bytes: Count | None
    peak_device_bytes: Count | None
    operations_per_step: Count | None


class Environment(TypedDict, total=False):
    """Where a run computed."""

    libraries: dict[str, str | None]
    processor: str | None
    torch_threads: Count | None
    cuda_device: str | None
