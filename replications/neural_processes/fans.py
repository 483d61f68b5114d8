"""Draw what a trained network predicts beside the exact Gaussian process.

    python -m replications.neural_processes.fans RECORD_FOLDER OUT.svg

draws one test function with 1, 5, 20 and 50 context points, one panel each: means and two standard
deviations of the conditional network whose weights are in the folder of a record, and of the
process.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from harness.errors import HarnessError
from harness.report.drawing import main, of_kind
from harness.report.style import COLOURS, PAPER_COLOUR, figure, save
from harness.run.kept_weights import Assembled
from replications.neural_processes.exact import exact_prediction
from replications.neural_processes.method import LatentNP
from replications.neural_processes.networks import Gaussian
from replications.neural_processes.predictor import Predictor
from replications.neural_processes.tasks import FunctionBatch, Functions

CONTEXTS = (1, 5, 20, 50)
TASK = 0
GRID = 401


def draw_fans(ready: Assembled, title: str, out: Path) -> Path:
    """Draw the panels and return the path of the plot, an SVG."""
    tasks = of_kind(ready.tasks, Functions, "a network on one Gaussian process")
    wanted = "a conditional neural process"
    method = of_kind(ready.method, Predictor, wanted)  # type: ignore[type-abstract]
    if isinstance(method, LatentNP):
        raise HarnessError(
            "found a latent neural process, whose predictions are samples, wanted a conditional "
            "one: cnp, attn-cnp or conv-cnp."
        )
    batch = with_grid(tasks.batch("test", TASK, 1), tasks)
    covariance = tasks.settings.covariance()
    made, panels = figure(height_inches=7.5, panels=len(CONTEXTS))
    for count, axes in zip(CONTEXTS, panels, strict=True):
        context = batch.context(count)
        with torch.no_grad():
            network = method.predict(batch, context)
        least = method.settings.least_deviation
        exact = exact_prediction(covariance, batch.x, batch.y, context, least)
        _fan(axes, batch, network, COLOURS[0], "network")
        _fan(axes, batch, exact, COLOURS[1], "exact process")
        known = (context.of(batch.x)[0], context.of(batch.y)[0])
        axes.plot(*known, "o", color=PAPER_COLOUR, markersize=3, label="context")
        axes.set_ylabel(f"{count} known")
        axes.set_ylim(-3.5, 3.5)
    panels[0].set_title(title, fontsize=10)
    panels[-1].set_xlabel("input (mean and two standard deviations)")
    handles, labels = panels[0].get_legend_handles_labels()
    made.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return save(made, out)


def with_grid(batch: FunctionBatch, tasks: Functions) -> FunctionBatch:
    """Return functions with inputs of an even grid behind their own; values there are not known."""
    low, high = tasks.settings.input_min, tasks.settings.input_max
    grid = torch.linspace(low, high, GRID, dtype=batch.x.dtype).expand(len(batch), -1)
    scaled = torch.linspace(-1, 1, GRID, dtype=batch.x.dtype).expand(len(batch), -1)
    return replace(
        batch,
        x=torch.cat([batch.x, grid], 1),
        scaled=torch.cat([batch.scaled, scaled], 1),
        y=torch.cat([batch.y, torch.zeros_like(grid)], 1),
    )


def _fan(axes: Any, batch: FunctionBatch, prediction: Gaussian, colour: str, label: str) -> None:
    x, mean, deviation = (a[0, -GRID:] for a in (batch.x, *prediction))
    axes.plot(x, mean, color=colour, linewidth=1.2, label=label)
    axes.fill_between(
        x, mean - 2 * deviation, mean + 2 * deviation, color=colour, alpha=0.2, linewidth=0
    )


if __name__ == "__main__":
    sys.exit(main(draw_fans))
