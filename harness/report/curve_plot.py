"""Learning curves of one variant: training loss and validation value by seed."""

from __future__ import annotations

from pathlib import Path

from harness.compare.groups import Group
from harness.compare.numbers import axis_label
from harness.report.style import figure, look, save


def plot_learning_curves(group: Group, stem: Path) -> list[Path]:
    """Draw the training loss of each seed, and the validation value where one was measured."""
    curves = {r.record.seed: r.curve for r in group.runs if "curve.csv" in r.record.files}
    curves = {seed: curve for seed, curve in curves.items() if len(curve) > 1}
    if not curves:
        return []
    made, axes = figure()
    axes.set_xlabel("meta-iteration")
    axes.set_ylabel("training loss")
    validated = any(point.validation is not None for c in curves.values() for point in c)
    right = axes.twinx() if validated else None
    if right is not None:
        watched = group.records[0].protocol["training"]["validation_metric"]
        right.set_ylabel(f"validation {axis_label(watched)}")
        right.spines["top"].set_visible(False)
    for i, (seed, curve) in enumerate(curves.items()):
        style = look(i)
        loss = [(p.iteration, p.training_loss) for p in curve if p.training_loss is not None]
        axes.plot(*_columns(loss), color=style["color"], alpha=0.6, label=f"seed {seed}: loss")
        value = [(p.iteration, p.validation) for p in curve if p.validation is not None]
        if right is not None and value:
            right.plot(
                *_columns(value),
                color=style["color"],
                linestyle="--",
                marker=style["marker"],
                markersize=4,
                label=f"seed {seed}: validation",
            )
    handles = [h for a in (axes, right) if a is not None for h in a.get_legend_handles_labels()[0]]
    # Under the axes: the two scales leave no corner that is free for sure.
    made.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    title = f"{group.paper}/{group.cell}, {group.variant}"
    axes.set_title(f"{title}, budget {group.budget}", fontsize=10)
    return save(made, stem)


def _columns(points: list[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [p[0] for p in points], [p[1] for p in points]
