"""Accuracy of all methods of a setting against what they cost to train."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.compare.across import AcrossRow
from harness.metric import read_metric
from harness.report.shown_plots import Wanted, every_plot
from harness.report.style import COLOURS, MARKERS, PAPER_COLOUR, figure, save
from harness.run.budget import share

LEAST = 1.0
"""Seconds of training at the left end of the axis."""
MARK_OF = {"inductive": "o", "transductive": "^"}


def plot_across(rows: Sequence[AcrossRow], folder: Path, wanted: Wanted = every_plot) -> list[Path]:
    """Draw a figure for each dataset, ways and shots, and each kind of hardware.

    Filled: full budget; hollow: less, with its budget beside it. A triangle is transductive, a disc
    inductive. The black dash at the same x is the published number. Bars: 95 % over test tasks. Of
    one variant's runs the longest is drawn. Only figures that are `wanted` are drawn.
    """
    figures: dict[tuple[str, int, int, str], list[AcrossRow]] = {}
    for r in rows:
        episodes = r.setting.ways > 0
        if episodes and r.row.measured.mean is not None and r.spent.train_seconds:
            here = (r.setting.dataset, r.setting.ways, r.setting.shots, r.spent.hardware)
            figures.setdefault(here, []).append(r)
    paths = []
    for (dataset, ways, shots, hardware), all_rows in sorted(figures.items()):
        own = _longest(all_rows)
        stem = folder / "across" / f"{dataset}-{ways}way-{shots}shot-{_plain(hardware)}"
        if not wanted(stem):
            continue
        made, [axes] = figure(height_inches=3.6 + 0.18 * len(own))
        _draw(axes, own)
        _seconds_axis(axes, [_x(r) for r in own])
        axes.set_xlabel(f"seconds of training ({LEAST:.0f} or less at the left), {hardware}")
        axes.set_ylabel("accuracy (%)")
        axes.set_title(f"{dataset}, {ways}-way {shots}-shot", fontsize=10)
        handles, labels = axes.get_legend_handles_labels()
        kept = dict(zip(labels, handles, strict=True))
        where = {"loc": "outside lower center", "ncols": 1, "frameon": False, "fontsize": 8}
        made.legend(kept.values(), kept.keys(), **where)
        paths.append(save(made, stem))
    return paths


def _longest(rows: Sequence[AcrossRow]) -> list[AcrossRow]:
    """Keep, of a variant's rows for a metric, those of its longest training."""
    best: dict[tuple[str, str, str], float] = {}
    for r in rows:
        whose = (r.method, r.row.metric, r.setting.inference)
        best[whose] = max(best.get(whose, 0.0), share(r.row.runs.budget))
    return [
        r
        for r in rows
        if share(r.row.runs.budget) == best[r.method, r.row.metric, r.setting.inference]
    ]


def _x(row: AcrossRow) -> float:
    """Return the seconds of training; what trains in no time would stretch the axis by decades."""
    return max(row.spent.train_seconds or 0.0, LEAST)


def _seconds_axis(axes: Any, seconds: Sequence[float]) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_xscale("log")
    axes.set_xlim(min(seconds) / 2, max(seconds) * 2)
    wide = max(seconds) / min(seconds) > 1000
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.10g}")


def _draw(axes: Any, rows: Sequence[AcrossRow]) -> None:
    names = list(
        dict.fromkeys(
            (r.method, r.row.metric, r.setting.inference, r.row.runs.budget) for r in rows
        )
    )
    for r in rows:
        x, y = _x(r), r.row.measured.mean
        i = names.index((r.method, r.row.metric, r.setting.inference, r.row.runs.budget))
        full = r.rank is not None
        colour = COLOURS[i % len(COLOURS)]
        step = f" {r.row.metric}" if read_metric(r.row.metric).at else ""
        axes.errorbar(
            *(x, y, r.row.measured.task_interval),
            label=f"{r.method}{step}, {r.setting.inference}, budget {r.row.runs.budget}",
            color=colour,
            marker=MARK_OF.get(r.setting.inference, MARKERS[-1]),
            markerfacecolor=colour if full else "white",
            markersize=7,
            linestyle="none",
            capsize=3,
        )
        if not full:
            text = r.row.runs.budget if r.row.runs.budget != "full" else "not ranked"
            spot = {"textcoords": "offset points", "xytext": (7, 4), "fontsize": 7}
            axes.annotate(text, (x, y), color=colour, **spot)
        if r.row.line is not None:
            dash = {"marker": "_", "markersize": 14, "linestyle": "none", "color": PAPER_COLOUR}
            axes.plot(x, r.row.line.value, label="published, at full budget", **dash)


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
