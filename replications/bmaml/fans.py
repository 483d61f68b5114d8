"""Draw what the particles of a record predict, before adaptation and after it.

    python -m replications.bmaml.fans RECORD_FOLDER OUT.svg

Columns are the first two test tasks, rows 0, 1 and 10 steps of adaptation to the points that are
marked: the function, the prediction of each particle, and their mean.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from matplotlib.figure import Figure

from harness.report.drawing import main, of_kind
from harness.report.style import COLOURS, PAPER_COLOUR, save
from harness.run.kept_weights import Assembled
from replications.bmaml.method import Particles
from replications.bmaml.tasks import FiniteSinusoids, sinusoids

TASKS, STEPS, GRID = 2, (0, 1, 10), 201


def draw_fans(ready: Assembled, title: str, out: Path) -> Path:
    """Draw the panels and return the path of the plot, an SVG."""
    tasks = of_kind(ready.tasks, FiniteSinusoids, "a method on sinusoids")
    wanted = "trained particles: bmaml, emaml or maml"
    method = of_kind(ready.method, Particles, wanted)  # type: ignore[type-abstract]
    s, batch = tasks.settings, tasks.batch("test", 0, TASKS)
    x = torch.linspace(s.input_min, s.input_max, GRID).expand(TASKS, -1).unsqueeze(-1)
    truth = sinusoids(tasks.arrays("test", 0, TASKS)["law"], x.squeeze(-1).numpy())
    with torch.no_grad():
        adapted = list(method.adapt(batch.support_x, batch.support_y, max(STEPS)))
        predicted = [method.networks.run(adapted[k], x).outputs for k in STEPS]
    made = Figure(figsize=(6.4, 6.6), layout="constrained")
    panels = made.subplots(len(STEPS), TASKS, sharex=True, sharey=True, squeeze=False)
    for row, k, outputs in zip(panels, STEPS, predicted, strict=True):
        row[0].set_ylabel("1 step" if k == 1 else f"{k} steps")
        for task, axes in enumerate(row):
            inputs = x[task, :, 0]
            axes.plot(inputs, outputs[:, task].T, color=COLOURS[0], alpha=0.3, linewidth=0.8)
            mean = outputs[:, task].mean(0)
            axes.plot(inputs, mean, color=COLOURS[0], linewidth=1.6, label="mean of particles")
            axes.plot(inputs, truth[task], color=PAPER_COLOUR, linewidth=1, label="function")
            known = batch.support_x[task, :, 0], batch.support_y[task, :, 0]
            axes.plot(*known, "o", color=PAPER_COLOUR, markersize=3.5, label="points")
            axes.grid(alpha=0.25, linewidth=0.6)
    made.suptitle(title, fontsize=10)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    made.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return save(made, out)


if __name__ == "__main__":
    sys.exit(main(draw_fans))
