"""Draw the regret of a trained policy beside that of the strategies.

    python -m replications.rl2.regret RECORD_FOLDER OUT.svg

Regret after a pull is what the best arm would have been expected to pay up to there, less what the
arms that were pulled are. All meet the same bandits and the same luck.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from harness.report.drawing import main, of_kind
from harness.report.style import PAPER_COLOUR, figure, look, save
from harness.run.kept_weights import Assembled
from harness.tasks.source import BLOCK
from replications.rl2 import policies
from replications.rl2.agent import RL2
from replications.rl2.method import total_reward
from replications.rl2.policies import Seen
from replications.rl2.tasks import BanditBatch, Bandits
from replications.rl2.trials import play

Choose = Callable[[Seen], Tensor]
BLOCKS = 8
"""Blocks of test bandits that are played."""
STRATEGIES: dict[str, Choose] = {
    "any arm": policies.random_arm,
    "Thompson": policies.thompson,
    "greatest mean": lambda seen: seen.means.argmax(1),
    "UCB1, c = 0.2": lambda seen: policies.ucb1(seen, 0.2),
    "Gittins": policies.gittins,
}


def regret(batch: BanditBatch, arms: Tensor) -> Tensor:
    """Return the regret after each pull, mean over bandits, [n]; `arms` [n, T] were pulled."""
    best = batch.chances.max(1).values
    lost = best - batch.chances.T.gather(0, arms)
    return lost.mean(1).cumsum(0)


def arms_of(batch: BanditBatch, choose: Choose) -> Tensor:
    """Return the arms that a strategy pulls, [n, T]."""
    pulled: list[Tensor] = []

    def kept(seen: Seen) -> Tensor:
        pulled.append(choose(seen))
        return pulled[-1]

    total_reward(batch, kept)
    return torch.stack(pulled)


def draw_regret(ready: Assembled, title: str, out: Path) -> Path:
    """Draw the policy and the strategies, and return the path of the plot, an SVG."""
    method = of_kind(ready.method, RL2, "a policy that RL² has trained on bandits")
    of_kind(ready.tasks, Bandits, "a policy that RL² has trained on bandits")
    batch: BanditBatch = ready.tasks.batch("test", 0, BLOCKS * BLOCK)
    noise = torch.Generator().manual_seed(int(batch.seeds[0]))
    made, [axes] = figure()
    pulls = range(1, batch.steps + 1)
    for i, (name, choose) in enumerate(STRATEGIES.items()):
        axes.plot(pulls, regret(batch, arms_of(batch, choose)), label=name, **look(i))
    own = play(method.policy, batch, noise).actions
    axes.plot(pulls, regret(batch, own), color=PAPER_COLOUR, label="RL²", linewidth=2)
    axes.set_xlabel("pulls")
    axes.set_ylabel("regret (payments)")
    axes.set_title(title, fontsize=10)
    made.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return save(made, out)


if __name__ == "__main__":
    sys.exit(main(draw_regret))
