"""What the runs of a group cost, from the measurements in their records."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from harness.compare.groups import Group
from harness.records.schema import Record


@dataclass(frozen=True)
class Spent:
    """Medians over training seeds; None where no record has it."""

    train_seconds: float | None = None
    """Training steps and fetching their tasks, all phases."""
    test_seconds_per_episode: float | None = None
    peak_host_bytes: float | None = None
    peak_device_bytes: float | None = None
    """None on a CPU."""
    train_operations: float | None = None
    """Floating-point operations of products and convolutions in all training steps."""
    hardware: str = ""
    """Processor or CUDA device, and threads; several where seeds ran on several."""


def spent(group: Group) -> Spent:
    """Return what the finished runs of `group` cost."""
    records = [run.record for run in group.finished]
    return Spent(
        _median(records, lambda r: _measured(r, "train_seconds")),
        _median(records, _per_episode),
        _median(records, lambda r: _measured(r, "peak_host_bytes")),
        _median(records, lambda r: _measured(r, "peak_device_bytes") or None),
        _median(records, _operations),
        " + ".join(sorted({_hardware(r, group.device) for r in records})),
    )


def _measured(record: Record, name: str) -> float | None:
    value = record.measurement.get(name)
    return None if value is None else float(value)


def _per_episode(record: Record) -> float | None:
    seconds = _measured(record, "test_seconds")
    episodes = next((m.n for m in record.metrics.values()), 0)
    return seconds / episodes if seconds is not None and episodes else None


def _operations(record: Record) -> float | None:
    each = _measured(record, "operations_per_step")
    # Steps of all phases: a run that trains again on train + validation has two.
    steps = sum(s.get("iterations", 0) for s in record.measurement.get("sessions") or [])
    return each * steps if each is not None and steps else None


def _hardware(record: Record, device: str) -> str:
    where = record.environment
    if "cuda" in device:
        return str(where.get("cuda_device") or device)
    threads = where.get("torch_threads")
    return f"{where.get('processor') or device}{f', {threads} thread' if threads else ''}" + (
        "s" if threads and threads > 1 else ""
    )


def _median(records: Iterable[Record], of: Callable[[Record], float | None]) -> float | None:
    values = [x for r in records if (x := of(r)) is not None]
    return median(values) if values else None
