"""Draw where a trained policy goes before and after it has adapted, one panel a goal.

    python -m replications.es_maml.paths RECORD_FOLDER OUT.svg

Each panel has the goal of one of the first four test tasks, the path of the meta-policy and that of
the policy it becomes, with what each returned.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from matplotlib.figure import Figure

from harness.report.drawing import main, of_kind
from harness.report.style import COLOURS, PAPER_COLOUR, save
from harness.run.kept_weights import Assembled
from harness.tasks.source import BLOCK
from replications.es_maml.method import ESMAML

GOALS = 4


def draw_paths(ready: Assembled, title: str, out: Path) -> Path:
    """Draw the first test tasks and return the path of the plot, an SVG."""
    method = of_kind(ready.method, ESMAML, "a policy that ES-MAML has trained")
    tasks = ready.tasks.batch("test", 0, BLOCK)
    noise = torch.Generator().manual_seed(int(tasks.seeds[0]))
    start = method.policy.expand(len(tasks), -1)
    adapted, _ = method.adapt(start, tasks, noise)
    walks = {
        "before": method.walk(start, tasks, keep_path=True),
        "after": method.walk(adapted, tasks, keep_path=True),
    }
    made = Figure(figsize=(6.4, 6.6), layout="constrained")
    panels = made.subplots(2, 2, sharex=True, sharey=True).flat
    for i, axes in zip(range(GOALS), panels, strict=True):
        for colour, (when, walked) in zip(COLOURS, walks.items(), strict=False):
            path = torch.cat([torch.zeros(1, 2).double(), walked.path[:, :, i]])
            label = f"{when}: {walked.returns[i]:.0f}"
            axes.plot(*path.T, color=colour, marker=".", markersize=3, linewidth=1, label=label)
        axes.plot(*tasks.goals[i], "*", color=PAPER_COLOUR, markersize=12)
        axes.set_aspect("equal")
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.legend(fontsize=8, frameon=False, loc="lower center")
    made.suptitle(title, fontsize=10)
    return save(made, out)


if __name__ == "__main__":
    sys.exit(main(draw_paths))
