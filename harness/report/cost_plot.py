"""Seconds and bytes of a meta-step against the number of inner steps, both axes logarithmic."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.costs.rows import CostRow
from harness.report.style import COLOURS, DASHES, MARKERS, figure, save


def plot_costs(rows: Sequence[CostRow], folder: Path) -> list[Path]:
    """Draw a figure for each machine, cell and family: a line an engine and order.

    Points at one number of inner steps alone make no line and are not drawn, nor are points with
    other switches than the cell's. The bars are the quartiles over meta-steps.
    """
    paths = []
    own: dict[tuple[str, str, str, str], list[CostRow]] = {}
    for row in (r for r in rows if r.inner_steps is not None and not r.sets):
        own.setdefault((row.machine, row.paper, row.cell, row.family), []).append(row)
    for (machine, paper, cell, family), found in own.items():
        if len({r.inner_steps for r in found}) > 1:
            stem = folder / paper / f"{cell}-{family}-cost-{machine}"
            paths += _figure(found, stem)
    return paths


def _figure(rows: list[CostRow], stem: Path) -> list[Path]:
    first = rows[0]
    made, (time, memory) = figure(height_inches=7.0, panels=2)
    from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

    engines = list(dict.fromkeys(r.engine for r in rows))
    orders = [o for o in ("second", "first", None) if any(r.order == o for r in rows)]
    for i, engine in enumerate(engines):
        for j, order in enumerate(orders):
            line = sorted(
                (r for r in rows if (r.engine, r.order) == (engine, order)),
                key=lambda r: r.inner_steps or 0,
            )
            style = {
                "color": COLOURS[i % len(COLOURS)],
                "marker": MARKERS[i % len(MARKERS)],
                "linestyle": DASHES[j],
                "markerfacecolor": "white" if order == "first" else COLOURS[i % len(COLOURS)],
                "markersize": 5,
            }
            words = [engine or "no engine", f"{order} order" if order else ""]
            _time(time, line, {**style, "label": ", ".join(w for w in words if w)})
            _memory(memory, line, style)
    for panel in (time, memory):
        panel.set_yscale("log")
        panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        panel.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
        panel.yaxis.set_minor_formatter(NullFormatter())
    memory.set_xscale("log")
    steps = sorted({r.inner_steps for r in rows if r.inner_steps is not None})
    memory.set_xticks(steps, [str(s) for s in steps])
    memory.xaxis.set_minor_locator(NullLocator())
    memory.set_xlabel("inner steps")
    time.set_ylabel("seconds per meta-step")
    what = "peak allocated, MiB" if first.device == "cuda" else "live tensors at the peak, MiB"
    memory.set_ylabel(what)
    where = f"{first.hardware}, {first.threads} thread{'s' * (first.threads > 1)}"
    title = f"{first.paper}/{first.cell}, {first.family}: a meta-step on {where}"
    time.set_title(textwrap.fill(title, 75), fontsize=10)
    made.legend(loc="outside lower center", ncols=len(engines), frameon=False, fontsize=8)
    return save(made, stem)


def _time(axes: Any, line: list[CostRow], style: dict[str, Any]) -> None:
    found = [r for r in line if r.seconds is not None]
    seconds = [r.seconds or 0.0 for r in found]
    below = [s - (r.seconds_q1 or 0.0) for s, r in zip(seconds, found, strict=True)]
    above = [(r.seconds_q3 or 0.0) - s for s, r in zip(seconds, found, strict=True)]
    axes.errorbar([r.inner_steps for r in found], seconds, [below, above], capsize=2, **style)


def _memory(axes: Any, line: list[CostRow], style: dict[str, Any]) -> None:
    def held(r: CostRow) -> int | None:
        return r.device_allocated_bytes if r.device == "cuda" else r.live_tensor_bytes

    found = [(r.inner_steps, (held(r) or 0) / 2**20) for r in line if held(r) is not None]
    axes.plot([x for x, _ in found], [y for _, y in found], **style)
