"""Kept weights tested as another variant, and put on record as that variant's run.

Runs with equal training switches share their training, in other cells of their paper too. Where
its checkpoints are gone the weights of a record stand for them: the new record has that training's
seed, length, curve, costs and sessions, and says in `measurement.tested.weights_of` whose weights
these are. What a method chooses on validation tasks after training is chosen anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from harness.catalog import SECTIONS, Cell, Variant
from harness.errors import HarnessError
from harness.records.schema import Record
from harness.records.store import CURVE, WEIGHTS, verify_files
from harness.run.kept_weights import assemble, check_weights_kept, read_weights
from harness.run.lock import locked
from harness.run.on_record import Trained, put_on_record, session_of
from harness.run.plan import Plan
from harness.run.setup import Setup


def record_as(
    folder: Path, cell: Cell, name: str, device: torch.device, results: Path, work: Path
) -> Path:
    """Test the weights of the record in `folder` as variant `name` of `cell`, the record's own or
    another of its paper; return the new record's folder.

    Raises HarnessError where that variant is trained otherwise than the record was, where the
    images are others, and where the record is no whole finished run.
    """
    record = verify_files(folder)
    check_weights_kept(folder, record)
    if record.paper != cell.paper:
        raise HarnessError(f"{folder} belongs to {record.paper}, not to {cell.paper}.")
    variant = cell.variant(name)
    if apart := next(_trained_otherwise(variant.stated.complete(record.protocol), variant), ""):
        raise HarnessError(
            f"{folder}: {apart} for {variant.key}; wanted a variant that differs from the "
            f"record in switches of the test alone, or run `harness run {cell.key} --variant "
            f"{name}`."
        )
    setup = Setup.at(record.budget, variant, record.seed, device=device)
    plan = Plan(setup, variant, results, work)
    there = plan.record_folder()
    if there.exists():
        verify_files(there)
        print(f"harness: {setup.label} is on record already: {there}", file=sys.stderr)
        return there
    with locked(plan.folder()):
        return _tested(plan, folder, record)


def _tested(plan: Plan, folder: Path, record: Record) -> Path:
    weights = read_weights(folder / WEIGHTS, plan.setup.device.type)
    ready = assemble(weights, folder / WEIGHTS, plan.setup, record)
    ready.tasks.check_data()
    count = plan.setup.budget.validation_tasks
    if count:
        ready.method.finalise(ready.tasks.batch("val", 0, count))
    trained, session = _training_of(folder, record), session_of(plan, ready.tasks)
    return put_on_record(plan, ready.tasks, ready.method, trained, session, every=20.0)


def _training_of(folder: Path, record: Record) -> Trained:
    """Return what is on record about the training of the weights."""
    m = record.measurement
    return Trained(
        failure="",
        iteration=record.iterations,
        selected=record.selected_iteration,
        validation=record.validation,
        curve=(folder / CURVE).read_bytes(),
        digest=record.training_digest,
        sessions=m.get("sessions") or [],
        seconds=m.get("train_seconds"),
        seconds_per_step=m.get("seconds_per_step"),
        operations=m.get("operations_per_step"),
        note=record.training_note,
        peak_host_bytes=m.get("peak_host_bytes") or 0,
        peak_device_bytes=m.get("peak_device_bytes") or 0,
        weights_of=record.result_digest,
    )


def _trained_otherwise(protocol: dict[str, Any], variant: Variant) -> Iterator[str]:
    """Name each switch that training depends on and that has another value in `protocol`, the
    record's, than in the variant."""
    wanted = variant.protocol()
    for switch in ("task_source", "algorithm"):
        if protocol.get(switch) != wanted[switch]:
            yield f"found {switch} {protocol.get(switch)!r}, wanted {wanted[switch]!r}"
    for section in SECTIONS:
        here, there = protocol.get(section, {}), wanted[section]
        for k in dict.fromkeys([*there, *here]):
            same = k in here and k in there and here[k] == there[k]
            if variant.is_of_training(section, k) and not same:
                own, want = (repr(t[k]) if k in t else "nothing" for t in (here, there))
                yield f"found {section}.{k} {own}, wanted {want}"
