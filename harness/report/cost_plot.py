"""Seconds and bytes of a meta-step against the number of inner steps, both axes logarithmic."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.costs.request import MEASURED, NOT_ASKED
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
    for (machine, paper, cell, family), rows_of_family in own.items():
        if len({r.inner_steps for r in rows_of_family}) > 1:
            stem = folder / paper / f"{cell}-{family}-cost-{machine}"
            paths += _figure(rows_of_family, stem)
    return paths


def _figure(rows: list[CostRow], stem: Path) -> list[Path]:
    first = rows[0]
    what = "peak allocated, MiB" if first.device == "cuda" else "live tensors at the peak, MiB"
    both = {"seconds per meta-step": _seconds, what: _mebibytes}
    panels = {label: of for label, of in both.items() if any(of(r) for r in rows)}
    if not panels:
        return []
    made, axes = figure(height_inches=1.4 + 2.8 * len(panels), panels=len(panels))
    engines = list(dict.fromkeys(r.engine for r in rows))
    for panel, (label, of) in zip(axes, panels.items(), strict=True):
        _draw(panel, rows, engines, of)
        panel.set_ylabel(label)
    steps = sorted({r.inner_steps for r in rows if r.inner_steps is not None})
    axes[-1].set_xticks(steps, [str(s) for s in steps])
    ended = any(status not in (MEASURED, NOT_ASKED) for r in rows for status in _ends(r))
    axes[-1].set_xlabel(f"inner steps{' (lines end where more were not run)' * ended}")
    where = f"{first.hardware}, {first.threads} thread{'s' * (first.threads > 1)}"
    title = f"{first.paper}/{first.cell}, {first.family}: a meta-step on {where}"
    axes[0].set_title(textwrap.fill(title, 75), fontsize=10)
    handles, labels = axes[0].get_legend_handles_labels()
    made.legend(
        *(handles, labels),
        loc="outside lower center",
        ncols=min(4, len(engines)),
        frameon=False,
        fontsize=8,
    )
    return [save(made, stem)]


def _draw(
    axes: Any,
    rows: list[CostRow],
    engines: list[str | None],
    of: Callable[[CostRow], tuple[float, float, float] | None],
) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

    orders = [o for o in ("second", "first", None) if any(r.order == o for r in rows)]
    for i, engine in enumerate(engines):
        for j, order in enumerate(orders):
            own = [r for r in rows if (r.engine, r.order) == (engine, order)]
            points = {r.inner_steps or 0: value for r in own if (value := of(r)) is not None}
            x = sorted(points)
            low, y, high = ([points[k][n] for k in x] for n in range(3))
            colour = COLOURS[i % len(COLOURS)]
            words = [engine or "no engine", f"{order} order" if order else ""]
            axes.errorbar(
                x,
                y,
                [
                    [b - a for a, b in zip(low, y, strict=True)],
                    [b - a for a, b in zip(y, high, strict=True)],
                ],
                label=", ".join(w for w in words if w),
                color=colour,
                marker=MARKERS[i % len(MARKERS)],
                markerfacecolor="white" if order == "first" else colour,
                markersize=5,
                linestyle=DASHES[j],
                capsize=2,
            )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def _ends(r: CostRow) -> tuple[str, str]:
    return r.time_status, r.memory_status


def _seconds(r: CostRow) -> tuple[float, float, float] | None:
    """Return the first quartile, the median and the third quartile; None where not measured."""
    if r.seconds is None or r.seconds_q1 is None or r.seconds_q3 is None:
        return None
    return r.seconds_q1, r.seconds, r.seconds_q3


def _mebibytes(r: CostRow) -> tuple[float, float, float] | None:
    held = r.device_allocated_bytes if r.device == "cuda" else r.live_tensor_bytes
    return (held / 2**20,) * 3 if held else None
