"""A paper's variant made small: a plan of its smoke run, or its method with the task source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from harness.catalog import find_cell
from harness.meta_gradient.engines import DEFAULT
from harness.run.budget import budget
from harness.run.plan import Plan


def smoke_plan(
    folder: Path,
    cell: str,
    variant: str,
    changed: dict[str, Any] | None = None,
    engine: str = DEFAULT,
    **switches: Any,
) -> Plan:
    """Plan a smoke run on the CPU with seed 0 of `variant` of the cell called `paper/cell`.

    `changed` holds overrides as `--set` has them ({"section.switch": value}); `switches` hold more,
    which come after them, as `section__switch=value`. Results and checkpoints go into `folder`.
    Raises HarnessError for what does not exist or does not fit.
    """
    found = find_cell(cell)
    more = {name.replace("__", "."): value for name, value in switches.items()}
    v = found.variant(variant, (changed or {}) | more)
    length = budget("smoke", v.training, v.testing)
    folders = (folder / "results", folder / "work")
    cpu = torch.device("cpu")
    return Plan(v, found.variant(variant), 0, length, engine, cpu, *folders)


def smoke_method(
    cell: str,
    variant: str,
    changed: dict[str, Any] | None = None,
    engine: str = DEFAULT,
    **switches: Any,
) -> tuple[Any, Any]:
    """Return the method of such a plan with its initial weights, and its task source.

    Both are `Any`: tests look at attributes that only one paper's method has.
    """
    plan = smoke_plan(Path(), cell, variant, changed, engine, **switches)
    tasks = plan.tasks()
    return plan.method(tasks), tasks
