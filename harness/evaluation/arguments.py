"""What `harness.evaluate` is asked for: each argument means what it says, or is refused in one
sentence."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.errors import HarnessError


def exact_device(device: object) -> torch.device:
    """Return the very device that is named: `auto`, or a name or `torch.device` of type cpu or
    cuda.

    `cuda` is torch's current CUDA device, `cuda:1` the second one, `auto` is `cuda` where there is
    one. Raises HarnessError for anything else, and for a device that this machine does not have.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device) if isinstance(device, str) else device
    except RuntimeError:
        chosen = None
    # A CPU has no numbers, but torch takes cpu:7.
    known = isinstance(chosen, torch.device) and (
        chosen.type == "cuda" or (chosen.type == "cpu" and not chosen.index)
    )
    if not isinstance(chosen, torch.device) or not known:
        raise HarnessError(
            f"device: found {device!r}, wanted 'auto', 'cpu', 'cuda', one of several as in "
            "'cuda:1', or a torch.device of these."
        )
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise HarnessError(
            f"device: found {str(chosen)!r} on a machine with {torch.cuda.device_count()} CUDA "
            "devices; wanted one that is there, or 'cpu' or 'auto'."
        )
    return chosen


def plain_overrides(overrides: object) -> dict[str, Any]:
    """Return overrides as `Cell.variant` takes them; None is none, numpy's numbers become Python's.

    Raises HarnessError for anything but a mapping from names.
    """
    if overrides is None:
        return {}
    if not isinstance(overrides, Mapping) or not all(isinstance(k, str) for k in overrides):
        raise HarnessError(
            f"overrides: found {overrides!r}, wanted a dict from switches to values, as in "
            '{"testing.tasks": 100}.'
        )
    return {k: v.item() if isinstance(v, np.generic) else v for k, v in overrides.items()}


def record_folder(record: object, metric: object) -> Path | None:
    """Return the record's folder, also where its `record.json` is named; None where none is given.

    Raises HarnessError for what is no path, and for a metric that is given without a record.
    """
    if metric is not None and not isinstance(metric, str):
        raise HarnessError(
            f"record_metric: found {metric!r}, wanted the name of a metric of the record."
        )
    if record is None:
        if metric is not None:
            raise HarnessError(
                f"record_metric: found {metric!r} without a record, wanted record= as well."
            )
        return None
    if not isinstance(record, str | os.PathLike):
        raise HarnessError(f"record: found {record!r}, wanted the path of a record's folder.")
    folder = Path(os.fsdecode(record))
    return folder.parent if folder.name == "record.json" else folder


def check_kinds(cell: object, model: object, variant: object, batched: object) -> None:
    """Refuse what is no name of a cell or variant, no model that can be called, no truth value."""
    if not isinstance(cell, str):
        raise HarnessError(
            f"cell: found {cell!r}, wanted its name, as in 'maml/omniglot-5way-1shot'; "
            "`harness list` shows them."
        )
    if not callable(model):
        raise HarnessError(
            f"model: found {type(model).__name__}, wanted a function or module that takes "
            "support_x, support_y and query_x."
        )
    if variant is not None and not isinstance(variant, str):
        raise HarnessError(
            f"variant: found {variant!r}, wanted its name; `harness show {cell}` has them."
        )
    if not isinstance(batched, bool):
        raise HarnessError(f"batched: found {batched!r}, wanted True or False.")
