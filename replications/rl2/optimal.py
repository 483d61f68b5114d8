"""Bayes-optimal play of Bernoulli bandits, by dynamic programming over what the arms paid.

Arms that paid alike are alike, so a state is the multiset of (wins, losses). With 10 pulls there
are few enough of them: 5 arms take a second, and arms beyond the number of pulls add nothing.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from replications.rl2.policies import Seen

Arm = tuple[int, int]
"""Wins and losses."""


@cache
def best(arms: tuple[Arm, ...], left: int) -> tuple[float, Arm]:
    """Return the greatest expected reward of the pulls left, and an arm whose pull reaches it.

    `arms` are sorted. The chance that an arm pays is uniform before its first pull.
    """
    if not left:
        return 0.0, arms[0]

    def value(arm: Arm) -> float:
        i, (wins, losses) = arms.index(arm), arm
        p = (wins + 1) / (wins + losses + 2)
        won, lost = (
            tuple(sorted((*arms[:i], changed, *arms[i + 1 :])))
            for changed in ((wins + 1, losses), (wins, losses + 1))
        )
        return p * (1 + best(won, left - 1)[0]) + (1 - p) * best(lost, left - 1)[0]

    return max((value(arm), arm) for arm in set(arms))


def bayes_optimal(seen: Seen) -> Tensor:
    """Pull the arm that the greatest expected reward asks for; of equal ones that
    with the most wins."""
    pulled = int((seen.wins[0] + seen.losses[0]).sum())
    most = min(seen.wins.shape[1], pulled + seen.left)  # more can never be pulled
    states = torch.stack([seen.wins, seen.losses], -1).long().cpu().tolist()
    chosen = []
    for pairs in states:
        arms = [(wins, losses) for wins, losses in pairs]
        first = sorted(arms, reverse=True)[:most]
        _, arm = best(tuple(sorted(first)), seen.left)
        chosen.append(arms.index(arm))
    return torch.tensor(chosen, device=seen.wins.device)
