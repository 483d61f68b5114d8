"""Measured numbers against the published ones, with intervals and the margin of equivalence."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from harness.catalog import Cell
from harness.compare.margin import margin
from harness.compare.numbers import axis_label
from harness.compare.row import Row, printed
from harness.metric import read_metric
from harness.report.shown_plots import Wanted, every_plot
from harness.report.style import COLOURS, PAPER_COLOUR, figure, save

BAND = "#BBBBBB"


def plot_against_paper(
    cell: Cell, rows: list[Row], stem: Path, wanted: Wanted = every_plot
) -> list[Path]:
    """Draw a line for each row that has both numbers; one plot for each name of a metric.

    Band: margin around the published value. Thick bar: 95 % interval over test tasks, thin bar:
    over training seeds. A hollow point is not comparable with the paper.
    """
    both = [r for r in rows if r.measured.mean is not None and r.line is not None]
    paths = []
    for name in sorted({read_metric(r.metric).family for r in both}):
        own = [r for r in both if read_metric(r.metric).family == name]
        if not wanted(place := stem.with_name(f"{stem.name}-{name}")):
            continue
        made, [axes] = figure(height_inches=1.6 + 0.45 * len(own))
        for y, row in enumerate(own):
            _draw(axes, y, row)
        axes.set_yticks(range(len(own)), [_label(r) for r in own], fontsize=8)
        axes.use_sticky_edges = False  # the band must not end at the frame
        axes.autoscale_view()
        axes.set_ylim(len(own) - 0.4, -0.6)
        far = 4 * max(r.line.value for r in own if r.line)
        if (
            max(r.measured.mean or 0.0 for r in own) > far
        ):  # diverged on some tasks: do not show only it
            axes.set_xlim(0, far)
        axes.set_xlabel(axis_label(name))
        axes.set_title(textwrap.fill(cell.title, 60), fontsize=10)
        handles, labels = axes.get_legend_handles_labels()
        kept = dict(zip(labels, handles, strict=True))
        made.legend(
            kept.values(),
            kept.keys(),
            loc="outside lower center",
            ncols=3,
            frameon=False,
            fontsize=8,
        )
        paths.append(save(made, place))
    return paths


def _draw(axes: Any, y: int, row: Row) -> None:
    line, measured = row.line, row.measured
    assert line is not None
    assert measured.mean is not None
    room = margin(printed(line)).size
    band = {"left": line.value - room, "height": 0.7, "color": BAND, "alpha": 0.5}
    axes.barh(y, 2 * room, label="margin", zorder=1, **band)
    bar = axes.errorbar
    paper = {"color": PAPER_COLOUR, "marker": "|", "markersize": 11, "capsize": 3}
    bar(line.value, y - 0.16, xerr=line.interval, label="paper", ls="none", **paper)
    ours = {"color": COLOURS[0], "ls": "none", "zorder": 3}
    if measured.seed_interval is not None:
        bar(
            measured.mean,
            y + 0.12,
            xerr=measured.seed_interval,
            lw=1,
            capsize=4,
            label="95 % over seeds",
            **ours,
        )
    bar(measured.mean, y + 0.12, xerr=measured.task_interval, lw=3, label="95 % over tasks", **ours)
    hollow = row.verdict.name == "not comparable"
    axes.plot(
        measured.mean,
        y + 0.12,
        "o",
        color=COLOURS[0],
        markerfacecolor="white" if hollow else COLOURS[0],
        label="here, not comparable" if hollow else "here",
        zorder=4,
    )


def _label(row: Row) -> str:
    kind = f" {row.metric}" if read_metric(row.metric).at else ""
    return f"{row.variant}{kind}\n{row.verdict_words}"
