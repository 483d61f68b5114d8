"""One comparison as a table that is printed and as a JSON file that is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.measure.environment import environment
from harness.measure.git_state import git_state
from tests.bench.floor import FLOOR, PRODUCT_OPERATIONS
from tests.bench.interleave import Timings


@dataclass(frozen=True)
class Comparison:
    """The timings of one case. All ratios are against `reference` in the table; all are stored."""

    case: str
    title: str
    timings: Timings
    reference: str
    units: int = 1
    """How many of what `unit` names one call does."""
    unit: str = ""
    operations: int = 0
    """Floating-point operations of one call; 0 where they were not counted. With them the timings
    have a contender `FLOOR`, the product that gives the rate."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    device: str = "cpu"

    @property
    def names(self) -> list[str]:
        """Return the contenders, the reference first."""
        others = [n for n in self.timings.seconds if n not in (FLOOR, self.reference)]
        return [self.reference, *others]

    def share_of_floor(self, name: str) -> float:
        """Return the median over rounds of (seconds its products would take) / (its seconds)."""
        per_round = np.array(self.timings.seconds[FLOOR]) / np.array(self.timings.seconds[name])
        return float(np.median(per_round)) * self.operations / PRODUCT_OPERATIONS

    def table(self) -> list[str]:
        """Return the lines that are printed."""
        t = self.timings
        lines = [f"{self.title}  [{t.rounds} rounds, {threads(self.device)}]"]
        head = ["", "median", f"times {self.reference} (quartiles)"]
        head += [f"{self.unit}/s"] if self.unit else []
        rows = [head + (["of the floor"] if self.operations else [])]
        for name in self.names:
            r = t.ratio(name, self.reference)
            ratio = f"{r.median:.3g} ({r.low:.3g} to {r.high:.3g})"
            row = [name, f"{1e3 * t.median(name):.2f} ms"]
            row.append("1" if name == self.reference else ratio)
            row += [f"{self.units / t.median(name):.0f}"] if self.unit else []
            rows.append(row + ([f"{self.share_of_floor(name):.0%}"] if self.operations else []))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines += ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) for r in rows]
        if self.operations:
            rate = PRODUCT_OPERATIONS / t.median(FLOOR)
            lines.append(
                f"floor: {self.operations / 1e9:.3g} GFLOP at the {rate / 1e9:.3g} GFLOP/s of a "
                f"large float32 product take {1e3 * self.operations / rate:.3g} ms"
            )
        lines += [f"left out: {name}: {why}" for name, why in self.left_out.items()]
        return [line.rstrip() for line in lines]

    def as_json(self) -> dict[str, Any]:
        """Return everything: seconds of every round, and the ratio of every pair with quartiles."""
        t = self.timings
        ratios = {a: {b: vars(t.ratio(a, b)) for b in self.names if b != a} for a in self.names}
        summary: dict[str, Any] = {
            "case": self.case,
            "title": self.title,
            "reference": self.reference,
            "device": self.device,
            "rounds": t.rounds,
            "seconds": dict(t.seconds),
            "median_seconds": {name: t.median(name) for name in t.seconds},
            "ratios": ratios,
            "left_out": dict(self.left_out),
            "ended": datetime.now(UTC).isoformat(timespec="seconds"),
            "git": git_state(),
            "environment": environment(),
            "rivals": {name: installed(name) for name in ("torchopt", "easyfsl")},
        }
        if self.unit:
            summary[f"{self.unit}_per_call"] = self.units
        if self.operations:
            summary["operations_per_call"] = self.operations
            summary["share_of_floor"] = {name: self.share_of_floor(name) for name in self.names}
        return summary

    def store(self, folder: Path) -> Path:
        """Write `<case>.json` into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.case}.json"
        path.write_text(json.dumps(self.as_json(), indent=1) + "\n", encoding="utf-8")
        return path


def installed(name: str) -> str | None:
    """Return the version of a package, None without it."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def threads(device: str) -> str:
    """Return what it ran on."""
    n = torch.get_num_threads()
    return f"{device}, {n} thread{'s' if n > 1 else ''}"
