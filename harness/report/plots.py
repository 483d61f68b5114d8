"""Plots of a collection: learning curves, metric against test step, accuracy against the paper."""

from __future__ import annotations

from pathlib import Path

from harness.catalog import Cell
from harness.compare.groups import Group
from harness.compare.row import Row
from harness.compare.rows import Collection
from harness.report.curve_plot import plot_learning_curves
from harness.report.paper_plot import plot_against_paper
from harness.report.shown_plots import Wanted, every_plot
from harness.report.step_plot import plot_test_steps


def write_plots(collection: Collection, folder: Path, wanted: Wanted = every_plot) -> list[Path]:
    """Draw what the records allow and is `wanted` into `folder`/<paper>/, as SVG; return the paths.

    Each variant is drawn from its first group: published switches and the longest training.
    """
    paths: list[Path] = []
    for cell in collection.cells:
        own = first_groups(cell, collection.groups)
        rows = [r for r in collection.rows if (r.paper, r.cell) == (cell.paper, cell.name)]
        stem = folder / cell.paper
        for group in own:
            curve = stem / f"{cell.name}-{group.variant}-curve"
            if wanted(curve):
                compared = [r for r in rows if compares(r, group)]
                paths += plot_learning_curves(group, compared, curve)
        paths += plot_test_steps(cell, own, stem / f"{cell.name}-steps", wanted)
        paths += plot_against_paper(cell, rows, stem / f"{cell.name}-paper", wanted)
    return paths


def compares(row: Row, group: Group) -> bool:
    """Return whether a row of the group's cell compares this group with a published number."""
    runs = row.runs
    whose = (row.variant, runs.budget, runs.device, runs.protocol_differences)
    mine = (group.variant, group.budget, group.device, group.differences)
    return whose == mine and row.measured.mean is not None and row.line is not None


def first_groups(cell: Cell, groups: list[Group]) -> list[Group]:
    """Return the first group of each variant of `cell` that has one, in the cell's order."""
    own: dict[str, Group] = {}
    for group in groups:
        if (group.paper, group.cell) == (cell.paper, cell.name):
            own.setdefault(group.variant, group)
    return [own[v] for v in cell.variants if v in own]
