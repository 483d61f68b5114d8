"""A paper's variant made small: a plan of its smoke run, or its method with the task source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.catalog import find_cell
from harness.meta_gradient.engines import DEFAULT
from harness.run.plan import Plan
from harness.run.setup import Setup


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
    setup = smoke_setup(cell, variant, changed, engine, **switches)
    return Plan(setup, find_cell(cell).variant(variant), folder / "results", folder / "work")


def smoke_setup(
    cell: str,
    variant: str,
    changed: dict[str, Any] | None = None,
    engine: str = DEFAULT,
    **switches: Any,
) -> Setup:
    """Return the setup of such a plan."""
    more = {name.replace("__", "."): value for name, value in switches.items()}
    v = find_cell(cell).variant(variant, (changed or {}) | more)
    return Setup.at("smoke", v, engine=engine)


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
    setup = smoke_setup(cell, variant, changed, engine, **switches)
    tasks = setup.tasks()
    return setup.method(tasks), tasks
