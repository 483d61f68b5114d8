"""A made-up paper with inner loops, and made-up costs of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.catalog import Cell, find_cell
from harness.costs.grid import Point, as_published, cost_switches
from harness.costs.record import CostPoint, CostRecord, Memory, Round, Session
from harness.costs.request import MEASURED
from harness.protocol import digest
from tests import toy_paper

CELLS = """
[bases.loop]
algorithm = "loop"
method = { order = "second", inner_steps = 5, rate = 0.1, test_steps = 10 }

[cells.loops]
title = "Toy loops"
bases = ["all"]
variants.second = { bases = ["loop"] }
variants.first = { bases = ["loop"], method = { order = "first" } }
variants.fast = { bases = ["loop"], method = { rate = 0.5 } }
variants.tested-longer = { bases = ["loop"], method = { test_steps = 20 } }
variants.only-first = { bases = ["loop"], algorithm = "only", method = { order = "first" } }
variants.implicit = { algorithm = "implicit", method = { inner_steps = 3, rate = 0.1 } }
variants.no-loop = { method = { rate = 0.1 } }
"""
METHOD = """
from typing import Literal

@dataclass(frozen=True)
class LoopSettings:
    order: Literal["second", "first"]
    inner_steps: int
    rate: float
    test_steps: int

@dataclass(frozen=True)
class OnlySettings:
    order: Literal["first"]
    inner_steps: int
    rate: float
    test_steps: int

@dataclass(frozen=True)
class ImplicitSettings:
    inner_steps: int
    rate: float

class Loop:
    Settings = LoopSettings
    test_only = frozenset({"test_steps"})

class Only:
    Settings = OnlySettings
    test_only = frozenset({"test_steps"})

class Implicit:
    Settings = ImplicitSettings
    test_only = frozenset({"test_steps"})

ALGORITHMS |= {"loop": Loop, "only": Only, "implicit": Implicit}
"""
HEADER = (
    "cell,claim,quantity,value,unit,margin,point,against,setting,source,confidence,obstacle,note\n"
)


def make_cell(root: Path, monkeypatch: pytest.MonkeyPatch) -> Cell:
    """Write the paper below `root` and give its cell `toy/loops`."""
    toy = toy_paper.ToyPaper(root)
    folder = toy.replications / "toy"
    (folder / "paper.toml").write_text(toy_paper.PAPER + CELLS)
    (folder / "method.py").write_text(toy_paper.METHOD + METHOD)
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(toy.replications))
    return find_cell("toy/loops")


def outcome(kind: str, seconds: float = 0.5, mebibytes: float = 3.0) -> dict[str, Any]:
    """Return what a process that measured might have said."""
    time = {
        "seconds_median": seconds,
        "seconds_q1": 0.9 * seconds,
        "seconds_q3": 1.2 * seconds,
        "steps": 20,
        "tasks_per_second": 4 / seconds,
        "fetch_share": 0.05,
        "warm_up_steps": 7,
        "warmed_up": True,
        "peak_rate": 1e11,
        "operations_per_step": 10**9,
    }
    held = round(mebibytes * 2**20)
    memory = {
        "host_growth_bytes": 2 * held,
        "host_peak_bytes": 100 * 2**20 + 2 * held,
        "host_peak_was_reset": True,
        "live_tensor_bytes": held,
        "device_allocated_bytes": 0,
        "device_reserved_bytes": 0,
        "device_before_bytes": 0,
    }
    return {"status": MEASURED, "note": "", **(time if kind == "time" else memory)}


SESSION = Session(
    commit="0123456789abcdef",
    clean=True,
    start="2026-01-01T00:00:00+00:00",
    end="2026-01-01T01:00:00+00:00",
    seconds=5.0,
    rounds=3,
    limit=120.0,
    memory=True,
    environment={"libraries": {"torch": "2.9.0"}},
)


def cost_point(
    cell: Cell,
    order: str | None = "second",
    steps: int | None = 5,
    engine: str | None = "func",
    seconds: tuple[float, ...] = (0.5, 0.51, 0.49),
    mebibytes: float | None = 3.0,
    family: str = "second",
    device: str = "cpu",
    **fields: Any,
) -> CostPoint:
    """Return a measured point: a median of each round, and bytes."""
    variant = "first" if (family, order) == ("second", "first") else family
    point = Point(family, variant, order, steps, engine, device)
    rounds = []
    for s in seconds:
        found = outcome("time", s)
        del found["status"], found["note"], found["operations_per_step"]
        rounds.append(Round(**found))
    memory = None
    if mebibytes is not None:
        found = outcome("memory", mebibytes=mebibytes)
        memory = Memory(**{k: v for k, v in found.items() if k not in ("status", "note")})
    values: dict[str, Any] = {
        "point": point,
        "session": 0,
        "meta_batch": 4,
        "as_published": as_published(point, cell),
        "switches": digest(cost_switches(point.base(cell))),
        "time_status": MEASURED if seconds else "over limit",
        "time_note": "" if seconds else "the first meta-step took 99 s",
        "rounds": tuple(rounds),
        "operations_per_step": 10**9,
        "memory_status": MEASURED if memory else "out of memory",
        "memory_note": "" if memory else "MemoryError: too much",
        "memory": memory,
    }
    return CostPoint(**(values | fields))


def cost_record(*points: CostPoint, machine: str = "toy-cpu-2-threads") -> CostRecord:
    """Return a record of `points` from one session."""
    return CostRecord(machine, "Toy CPU", 2, "toy", "loops", (SESSION,), points)
