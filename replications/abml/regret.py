"""Draw the regret of a learner on wheels beside that of the agents that look at nothing.

    python -m replications.abml.regret RECORD_FOLDER OUT.svg

All meet the same contexts and the same noise; the band is a standard error over trials.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor

from harness.report.drawing import main, of_kind
from harness.report.style import PAPER_COLOUR, figure, look, save
from harness.run.kept_weights import Assembled
from replications.abml.learner import ScoredOnWheels
from replications.abml.tasks import SAFE, WheelBatch, Wheels, lost, uniform_regret
from replications.abml.trials import play


def regret_so_far(batch: WheelBatch, arms: Tensor) -> Tensor:
    """Return the regret up to each context in percent of what a uniform agent is expected to have
    in the whole trial: [T, n] float64."""
    whole = uniform_regret(batch.deltas, batch.pays) * arms.shape[1]
    return 100 * lost(batch.averages(), arms).cumsum(1) / whole[:, None]


def draw_regret(ready: Assembled, title: str, out: Path) -> Path:
    """Draw the learner's trials of the test, and return the path of the plot, an SVG."""
    of_kind(ready.tasks, Wheels, "an agent on wheels")
    batch: WheelBatch = ready.tasks.batch("test", 0, ready.setup.variant.testing.tasks)
    played = {"uniform": batch.arms, "always the safe arm": torch.full_like(batch.arms, SAFE)}
    method = ready.method
    if isinstance(method, ScoredOnWheels):
        with torch.no_grad():
            played["the learner"] = play(batch, method.agent(batch), method.settings.first_pulls)
    made, [axes] = figure()
    for i, (name, arms) in enumerate(played.items()):
        so_far = regret_so_far(batch, arms)
        mean, error = so_far.mean(0), so_far.std(0) / len(so_far) ** 0.5
        style = look(i) | {"marker": ""}
        if name == "the learner":
            style = {"color": PAPER_COLOUR, "linewidth": 2}
        contexts = range(1, len(mean) + 1)
        axes.plot(contexts, mean, label=name, **style)
        axes.fill_between(contexts, mean - error, mean + error, color=style["color"], alpha=0.2)
    axes.set_xlabel("contexts")
    axes.set_ylabel("regret so far (% of the uniform agent's at the end)")
    axes.set_title(title, fontsize=10)
    made.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return save(made, out)


if __name__ == "__main__":
    sys.exit(main(draw_regret))
