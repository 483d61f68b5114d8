"""What is measured for a cell: its variants over engine, order and number of inner steps.

Variants that differ in `order` and `inner_steps` alone are one *family* and are measured once. A
method without the switch `inner_steps` has one point; one with `inner_steps` but without `order`
does not differentiate through its inner loop, so that engines play no part in it.
"""

from __future__ import annotations

import contextlib
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from harness.catalog import Cell, Variant
from harness.errors import HarnessError
from harness.meta_gradient.engines import ENGINES, engine
from harness.protocol import digest, overrides, switches
from harness.shown import shown

STEPS = (1, 2, 5, 10, 20, 50)
ORDERS = ("first", "second")


@dataclass(frozen=True)
class Point:
    """One meta-step to measure. None: the method has no such switch."""

    family: str
    """First of the variants that differ in order and inner steps alone."""
    variant: str
    """The one of them that has this order in the paper, else the first: what is run."""
    order: str | None
    inner_steps: int | None
    engine: str | None
    device: str
    """`cpu` or `cuda`."""
    sets: tuple[str, ...] = ()
    """Other switches that were set, as `section.switch=value`."""

    def changes(self) -> list[str]:
        """Return all switches that the point sets, as `--set` takes them."""
        own = {"order": self.order, "inner_steps": self.inner_steps}
        return [*self.sets, *(f"method.{k}={v}" for k, v in own.items() if v is not None)]

    def base(self, cell: Cell) -> Variant:
        """Return the variant with its own order and inner steps: a method may refuse the
        point's."""
        return _resolve(cell, self.variant, self.sets)

    @property
    def label(self) -> str:
        """What progress lines call the point."""
        words = [self.variant, self.engine, self.order and f"{self.order} order"]
        if self.inner_steps is not None:
            words.append(f"{self.inner_steps} inner step{'s' * (self.inner_steps > 1)}")
        return ", ".join(w for w in words if w)


Group = tuple[Point, ...]
"""Points of one number of inner steps, of all families: they are compared, so they run in turn."""


def available_engines() -> list[str]:
    """Name the engines that import and whose packages are installed."""
    names = []
    for name, module in ENGINES.items():
        try:
            needs = getattr(import_module(module), "NEEDS", ())
        except ImportError:
            continue
        if all(find_spec(package) for package in needs):
            names.append(name)
    return names


def grid(
    cell: Cell,
    device: str,
    variants: Iterable[str] = (),
    engines: Sequence[str] = (),
    orders: Sequence[str] = ORDERS,
    steps: Sequence[int] = (),
    sets: Sequence[str] = (),
) -> list[Group]:
    """Return the groups to measure, fewest inner steps first.

    `variants` choose families. Without `variants`, `engines` or `steps`: all variants, all engines
    that can run here, and `STEPS` with the cell's own number.
    """
    for name in engines:
        engine(name)
    for text in sets:
        if text.partition("=")[0].strip() in ("method.order", "method.inner_steps"):
            raise HarnessError(
                f"--set: found {shown(text)}, which the grid sets; use --orders and --steps."
            )
    chosen = list(variants) or cell.names()
    for name in chosen:
        _resolve(cell, name, sets)
    groups: dict[int, Group] = {}
    for members in _families(cell, sets):
        if any(member.name in chosen for member in members):
            for group in _groups(members, device, engines, orders, steps, tuple(sets)):
                count = group[0].inner_steps or 0
                groups[count] = groups.get(count, ()) + group
    if not groups:
        raise HarnessError(
            f"{cell.key}: found no variant that is computed in {' or '.join(orders)} order; "
            f"see `harness show {cell.key} --no-measure`."
        )
    return [groups[count] for count in sorted(groups)]


def cost_switches(variant: Variant) -> dict[str, Any]:
    """Return the switches that a meta-step's cost can depend on, but for order and inner steps."""
    own = switches(variant.method)
    if "inner_steps" in own:
        own = {k: v for k, v in own.items() if k not in ("order", "inner_steps")}
    own = {k: v for k, v in own.items() if variant.is_of_training("method", k)}
    kinds = {"task_source": variant.task_source, "algorithm": variant.algorithm}
    more = {"tasks": switches(variant.tasks), "meta_batch": variant.training.meta_batch}
    return {**kinds, **more, "method": own}


def _families(cell: Cell, sets: Sequence[str]) -> Iterable[list[Variant]]:
    """Part the cell's variants, so that a family has the same name whatever was asked for."""
    families: dict[str, list[Variant]] = {}
    for name in cell.variants:
        with contextlib.suppress(HarnessError):  # one that has no such switch and was not asked for
            variant = _resolve(cell, name, sets)
            families.setdefault(digest(cost_switches(variant)), []).append(variant)
    return families.values()


def _resolve(cell: Cell, name: str, sets: Sequence[str]) -> Variant:
    return cell.variant(name, overrides(sets))


def _groups(
    members: list[Variant],
    device: str,
    engines: Sequence[str],
    orders: Sequence[str],
    steps: Sequence[int],
    sets: tuple[str, ...],
) -> Iterable[Group]:
    first = members[0]
    if not hasattr(first.method, "inner_steps"):
        yield (Point(first.name, first.name, None, None, None, device, sets),)
        return
    of_order: dict[str | None, str] = {}
    for member in members:
        of_order.setdefault(getattr(member.method, "order", None), member.name)
    through: list[str | None] = [None]
    known: list[str | None] = [None]
    if hasattr(first.method, "order"):
        allowed = typing.get_args(typing.get_type_hints(type(first.method))["order"])
        known = [order for order in ORDERS if order in orders and order in allowed]
        through = list(engines or available_engines())
    own = {member.method.inner_steps for member in members}
    for count in sorted(set(steps or {*STEPS, *own})):
        group = tuple(
            Point(first.name, of_order.get(order, first.name), order, count, name, device, sets)
            for order in known
            for name in through
        )
        if group:
            yield group


def as_published(point: Point, cell: Cell) -> bool:
    """Return whether a variant of the cell has this order and number of inner steps by itself."""
    if point.sets:
        return False
    if point.inner_steps is None:
        return True
    wanted = (point.order, point.inner_steps)
    like = cost_switches(point.base(cell))
    members = (cell.variant(name) for name in cell.variants)
    return any(
        (getattr(m.method, "order", None), getattr(m.method, "inner_steps", None)) == wanted
        and cost_switches(m) == like
        for m in members
    )
