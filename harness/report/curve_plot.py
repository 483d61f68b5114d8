"""Learning curves of one variant: training loss and, below it, validation value, by seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.compare.groups import Group
from harness.compare.numbers import axis_label, number
from harness.compare.row import Row
from harness.records.store import CURVE
from harness.report.style import PAPER_COLOUR, figure, look, save


def plot_learning_curves(group: Group, rows: list[Row], stem: Path) -> list[Path]:
    """Draw a line a seed; a second panel where a validation value was measured.

    `rows` are those that compare the group with the paper. What it ends at in testing, here and in
    the paper, is said below the title; a published value of what the validation measures is also
    drawn as a line.
    """
    curves = {r.record.seed: r.curve for r in group.runs if CURVE in r.record.files}
    loss = {
        seed: [(p.iteration, p.training_loss) for p in curve if p.training_loss is not None]
        for seed, curve in curves.items()
    }
    value = {
        seed: [(p.iteration, p.validation) for p in curve if p.validation is not None]
        for seed, curve in curves.items()
    }
    watched = axis_label(group.records[0].protocol["training"]["validation_metric"])
    both = {"training loss": loss, f"validation {watched}": value}
    panels = {label: series for label, series in both.items() if any(series.values())}
    if not panels:
        return []
    made, axes = figure(height_inches=1.2 + 2.2 * len(panels), panels=len(panels))
    for panel, (label, series) in zip(axes, panels.items(), strict=True):
        for i, (seed, points) in enumerate(series.items()):
            x, y = [p[0] for p in points], [p[1] for p in points]
            # Markers only where points are few enough to be told apart.
            style = look(i) | ({} if len(points) <= 30 else {"marker": ""})
            panel.plot(x, y, label=f"seed {seed}", markersize=4, **style)
        panel.set_ylabel(label)
    axes[-1].set_xlabel("meta-iteration")
    axes[0].legend(frameon=False, fontsize=8)
    if any(value.values()):
        _draw_published(axes[-1], [r for r in rows if axis_label(r.metric) == watched])
    own = ", switches differ" if group.differences else ""
    title = f"{group.paper}/{group.cell}, {group.variant}, budget {group.budget}{own}"
    axes[0].set_title("\n".join([title, *map(_end, rows)]), fontsize=10)
    return [save(made, stem)]


def _draw_published(panel: Any, rows: list[Row]) -> None:
    for value in {r.line.value for r in rows if r.line is not None}:
        panel.axhline(value, color=PAPER_COLOUR, linestyle=":", linewidth=1, label="paper, at test")
    if rows:
        panel.legend(frameon=False, fontsize=8)


def _end(row: Row) -> str:
    here = number(row.metric, row.measured.mean)
    paper = row.published_words
    return f"{row.metric} at test: here {here}, paper {paper}"
