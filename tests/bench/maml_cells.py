"""The MAML replication's own method and tasks, for timing: published switches, data at hand."""

from __future__ import annotations

from typing import Any

import torch

from harness.catalog import Variant, find_cell
from harness.data.omniglot_source import find_omniglot
from harness.errors import HarnessError
from harness.method import Method
from harness.tasks.source import TaskSource

OMNIGLOT, SINUSOID = "omniglot-5way-1shot", "sinusoid-10shot"


def dataset_at_hand() -> str:
    """Return `omniglot`, or `glyphs` (fewer classes, same size of image) where it is not here."""
    try:
        find_omniglot()
    except HarnessError:
        return "glyphs"
    return "omniglot"


def resolve(cell: str, **changed: Any) -> Variant:
    """Return second-order MAML of a cell; `changed` are switches with `__` for the dot."""
    name, sets = "maml", {k.replace("__", "."): v for k, v in changed.items()}
    if cell.startswith("omniglot"):
        name = "second-order"
        sets.setdefault("tasks.dataset", dataset_at_hand())
    return find_cell(f"maml/{cell}").variant(name, sets)


def task_source_of(variant: Variant, device: str = "cpu") -> TaskSource:
    """Return the variant's tasks; seeds are 0 and 1."""
    return variant.task_source_class(variant.tasks, 0, 1, torch.device(device))


def method_of(variant: Variant, tasks: TaskSource, engine: str, device: str = "cpu") -> Method:
    """Return the variant's method at its start."""
    generator = torch.Generator().manual_seed(0)
    return variant.method_class(variant.method, tasks, torch.device(device), engine, generator)
