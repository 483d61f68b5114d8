"""Kept weights, assembled with the setup they are tested under: this is the only way from a file of
weights to a method that has them.

`harness evaluate` tests a file again, `harness explain` a record under other switches, and
`--record-as` puts the test of a record's weights on record as another variant's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.catalog import SECTIONS, Cell, Variant
from harness.errors import HarnessError
from harness.method import Method
from harness.methods.ensemble import Ensemble, iterations
from harness.records.schema import Record
from harness.records.store import WEIGHTS
from harness.run.members import ENSEMBLES
from harness.run.setup import Setup
from harness.run.weight_shapes import check_shapes
from harness.tasks.source import TaskSource


@dataclass(frozen=True)
class Assembled:
    """What is tested, and on which tasks."""

    setup: Setup
    tasks: TaskSource
    method: Method
    """With the kept weights."""


def assemble(
    weights: dict[str, Tensor], path: Path, setup: Setup, record: Record | None = None
) -> Assembled:
    """Return the method of `setup` with `weights`, which were read from `path`, and its tasks.

    Raises HarnessError where they do not fit, and where `record` is given and was made on other
    images than those at hand.
    """
    tasks = setup.tasks()
    if record is not None and tasks.data_digest() != record.data_digest:
        raise HarnessError(
            f"{path.parent} was tested on other images than those at hand (digest "
            f"{record.data_digest[:12]}, here {tasks.data_digest()[:12]}); see `harness data list`."
        )
    return Assembled(setup, tasks, method_with(weights, setup, tasks, path))


def has_weights(record: Record) -> bool:
    """Return whether the record is of a finished run whose weights were kept."""
    return record.status == "finished" and WEIGHTS in record.files


def check_weights_kept(folder: Path, record: Record) -> None:
    """Raise HarnessError unless the record in `folder` kept the weights of a finished run."""
    if not has_weights(record):
        raise HarnessError(f"{folder}: found no {WEIGHTS} in it, wanted a finished run's.")


def check_cell(place: Path, record: Record, cell: Cell) -> None:
    """Raise HarnessError where a record (or weights of it, in `place`) is of another cell."""
    if f"{record.paper}/{record.cell}" != cell.key:
        raise HarnessError(f"{place} belongs to {record.paper}/{record.cell}, not to {cell.key}.")


def record_overrides(record: Record, variant: Variant) -> dict[str, object]:
    """Return the switches of the record that differ from those of its variant, as overrides."""
    published = variant.protocol()
    return {
        f"{section}.{k}": value
        for section in SECTIONS
        for k, value in variant.stated.complete(record.protocol)[section].items()
        if published[section].get(k) != value
    }


def setup_of(
    record: Record, cell: Cell, device: torch.device, changed: Mapping[str, Any] | None = None
) -> Setup:
    """Return the setup of a record of `cell`, with `changed` switches ("section.switch": value)."""
    switches = record_overrides(record, cell.variant(record.variant)) | dict(changed or {})
    variant = cell.variant(record.variant, switches)
    return Setup.at(record.budget, variant, record.seed, device=device)


def read_weights(path: Path, device: str) -> dict[str, Tensor]:
    """Read a safetensors file onto `device`.

    Raises HarnessError where there is no such file, or one that is no weights, or numbers in it
    that are not finite: a network of them may well give classes, the first one for instance.
    """
    from safetensors.torch import load_file

    if not path.exists():
        raise HarnessError(f"found no file {path}, wanted weights in safetensors form.")
    if not path.is_file():  # also a named pipe, which would be waited for without end
        kind = "a folder" if path.is_dir() else "no plain file"
        raise HarnessError(f"{path}: found {kind}, wanted a file of weights in safetensors form.")
    try:
        weights: dict[str, Tensor] = load_file(path, device=device)
    except Exception as e:  # safetensors has its own error types for each kind of damage
        raise HarnessError(f"{path} is not a readable safetensors file: {e}.") from None
    for name, value in weights.items():
        # Floating types of one byte have no arithmetic.
        if not torch.isfinite(value.float() if value.is_floating_point() else value).all():
            raise HarnessError(
                f"{path}: found numbers under {name!r} that are not finite, wanted trained "
                "weights; take those of a run that did not diverge."
            )
    return weights


def method_with(weights: dict[str, Tensor], setup: Setup, tasks: TaskSource, path: Path) -> Method:
    """Return the method of `setup` with `weights`, which were read from `path`; of several members
    where its selection is an ensemble. Raises HarnessError where they do not fit."""
    method, key = setup.method(tasks), setup.variant.key
    if most := ENSEMBLES.get(setup.variant.training.selection):
        there = iterations(weights)
        if not 1 <= len(there) <= most:
            raise HarnessError(
                f"{path}: found weights of {len(there)} iterations, wanted 1 to {most} for {key}, "
                "named as in '500:head.weight'."
            )
        method = Ensemble(method, dict.fromkeys(there, method.weights()))
    check_shapes(path, weights, method.weights(), key)
    method.load_weights({k: w.to(setup.device) for k, w in weights.items()})
    return method
