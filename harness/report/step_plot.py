"""A metric against the number of test steps (`mse@0` … `mse@10`), or against what else the method
counts (instances of a class), with the published points."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import numpy as np

from harness.catalog import Cell
from harness.compare.groups import Group
from harness.compare.numbers import axis_label
from harness.compare.statistics import largest_share, mean_estimate
from harness.metric import read_metric
from harness.report.shown_plots import Wanted, every_plot
from harness.report.style import PAPER_COLOUR, figure, look, save
from harness.stated import STEPS_AT_TEST


def plot_test_steps(
    cell: Cell, groups: list[Group], stem: Path, wanted: Wanted = every_plot
) -> list[Path]:
    """Draw each metric that has two test steps or more: a line a variant, a cross a paper's number.

    The bars are 95 % intervals over tasks and seeds.
    """
    # Where k counts something else, a few tasks that hold the mean are its finding: few errors.
    adapts = counted(cell) == STEPS_AT_TEST
    names = {name for g in groups for name, metrics in steps(g.metrics).items() if len(metrics) > 1}
    paths = []
    for name in sorted(names):
        if not wanted(place := stem.with_name(f"{stem.name}-{name}")):
            continue
        made, [axes] = figure()
        left_out: list[str] = []
        values: list[float] = []
        for i, group in enumerate(groups):
            means = {
                step: mean_estimate(scores)
                for step, metric in sorted(steps(group.metrics).get(name, {}).items())
                if np.isfinite(scores := group.scores(metric)).all()
                and scores.shape[1] > 1
                and not (adapts and largest_share(scores) > 0.1)
            }
            values += [m.value for m in means.values()]
            if len(means) < len(steps(group.metrics).get(name, {})):
                left_out.append(group.variant)
            if means:
                axes.errorbar(
                    list(means),
                    [m.value for m in means.values()],
                    [m.half_width() for m in means.values()],
                    label=_label(group),
                    capsize=3,
                    markersize=4,
                    **look(i),
                )
        _published(axes, cell, name, [g.variant for g in groups])
        axes.set_xlabel(counted(cell))
        axes.set_ylabel(axis_label(name))
        axes.xaxis.get_major_locator().set_params(integer=True)
        title = f"{cell.title} (bars: 95 % interval)"
        axes.set_title(textwrap.fill(title, 70), fontsize=10)
        scale, options = value_scale(name, values)
        axes.set_yscale(scale, **options)
        if scale == "symlog":
            axes.set_ylim(bottom=0)
        if left_out:
            note = f"steps at which tasks diverge are left out: {', '.join(left_out)}"
            axes.annotate(note, (0.01, 0.01), xycoords="axes fraction", fontsize=7)
        made.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
        paths.append(save(made, place))
    return paths


def value_scale(name: str, values: list[float]) -> tuple[str, dict[str, float]]:
    """Choose the scale of an axis of means: logarithmic but for accuracies and where some are
    negative; linear from zero to the smallest number above it where some are zero."""
    least, most = min(values, default=0.0), max(values, default=0.0)
    if read_metric(name).is_percent or least < 0 or most <= 0:
        return "linear", {}
    if least > 0:
        return "log", {}
    return "symlog", {"linthresh": min(v for v in values if v > 0)}


def steps(metrics: list[str]) -> dict[str, dict[int, str]]:
    """Sort `name@k` metrics: name -> test steps k -> metric."""
    by_family: dict[str, dict[int, str]] = {}
    for metric in map(read_metric, metrics):
        if metric.at.isdecimal():
            by_family.setdefault(metric.family, {})[int(metric.at)] = metric.name
    return by_family


def counted(cell: Cell) -> str:
    """Return what k counts in the metrics `name@k` of a cell's methods."""
    algorithms = [table.get("algorithm") for table in cell.variants.values()]
    return ", ".join(dict.fromkeys(cell.stated(a).counted for a in algorithms))


def _published(axes: Any, cell: Cell, name: str, drawn: list[str]) -> None:
    labelled = set()
    for line in cell.published:
        step = steps([line.metric]).get(name)
        # A published point has the colour of the variant that answers to it, if it is one alone.
        own = [v for v in line.variants if v in drawn]
        label = f"paper, {own[0]}" if len(own) == 1 else "paper"
        if step and own:
            axes.errorbar(
                list(step),
                [line.value],
                None if line.interval is None else [line.interval],
                color=look(drawn.index(own[0]))["color"] if len(own) == 1 else PAPER_COLOUR,
                marker="x",
                markersize=9,
                markeredgewidth=2,
                linestyle="none",
                capsize=3,
                zorder=5,
                label=None if label in labelled else label,
            )
            labelled.add(label)


def _label(group: Group) -> str:
    count = len(group.finished)
    own = ", switches differ" if group.differences else ""
    return f"{group.variant} ({count} seed{'s' * (count > 1)}, budget {group.budget}{own})"
