"""Kept weights and the switches they were trained under, to be tested again without training."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from harness.catalog import Variant
from harness.errors import HarnessError
from harness.method import Method
from harness.methods.ensemble import Ensemble, iterations
from harness.records.schema import Record
from harness.run.members import ENSEMBLES
from harness.run.plan import Plan
from harness.tasks.source import TaskSource


def record_overrides(record: Record, variant: Variant) -> dict[str, object]:
    """Return the switches of the record that differ from those of its variant, as overrides."""
    published = variant.protocol()
    return {
        f"{section}.{k}": value
        for section in ("tasks", "method", "training", "testing")
        for k, value in variant.stated.complete(record.protocol)[section].items()
        if published[section].get(k) != value
    }


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
        found: dict[str, Tensor] = load_file(path, device=device)
    except Exception as e:  # safetensors has its own error types for each kind of damage
        raise HarnessError(f"{path} is not a readable safetensors file: {e}.") from None
    for name, value in found.items():
        # Floating types of one byte have no arithmetic.
        if not torch.isfinite(value.float() if value.is_floating_point() else value).all():
            raise HarnessError(
                f"{path}: found numbers under {name!r} that are not finite, wanted trained "
                "weights; take those of a run that did not diverge."
            )
    return found


def check_shapes(
    path: Path, found: dict[str, Tensor], wanted: dict[str, Tensor], variant: str
) -> None:
    """Refuse weights of another method, size or type before anything is loaded in part."""
    for name in [*wanted, *found]:
        here, there = (w.get(name) for w in (found, wanted))
        same_shape = here is not None and there is not None and here.shape == there.shape
        if not same_shape or _type(here) != _type(there):
            raise HarnessError(
                f"{path}: found {_words(here, same_shape)} under {name!r}, "
                f"wanted {_words(there, same_shape)} for {variant}."
            )


def method_with(weights: dict[str, Tensor], plan: Plan, tasks: TaskSource, path: Path) -> Method:
    """Return the method of `plan` with `weights`, which were read from `path`; of several members
    where its selection is an ensemble. Raises HarnessError where they do not fit."""
    method, key = plan.method(tasks), plan.variant.key
    if most := ENSEMBLES.get(plan.variant.training.selection):
        there = iterations(weights)
        if not 1 <= len(there) <= most:
            raise HarnessError(
                f"{path}: found weights of {len(there)} iterations, wanted 1 to {most} for {key}, "
                "named as in '500:head.weight'."
            )
        method = Ensemble(method, dict.fromkeys(there, method.weights()))
    check_shapes(path, weights, method.weights(), key)
    method.load_weights({k: w.to(plan.device) for k, w in weights.items()})
    return method


def _type(tensor: Tensor | None) -> str:
    return "" if tensor is None else str(tensor.dtype).removeprefix("torch.")


def _words(tensor: Tensor | None, same_shape: bool) -> str:
    if tensor is None:
        return "nothing"
    return f"a tensor of {_type(tensor) if same_shape else f'shape {list(tensor.shape)}'}"
