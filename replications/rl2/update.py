"""The update of policy and value from a batch of trials: clipped ratios, with a limit on the step.

Proximal policy optimisation as the authors' code of the time had it ("first-order TRPO"): several
epochs of small steps on the clipped surrogate; of the weights after each epoch those with the best
surrogate stay whose mean KL divergence from the old policy is within the limit, and if there are
none, the last step is halved until it is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from replications.rl2.minibatch import MinibatchStep, Part, surrogate
from replications.rl2.network import RecurrentNet

HALVINGS = 15


def discounted(values: Tensor, factor: float) -> Tensor:
    """Return sums over what follows, each step further on weighing `factor` less: [n, T]."""
    total, sums = torch.zeros_like(values[0]), []
    for value in values.flip(0):
        total = value + factor * total
        sums.append(total)
    return torch.stack(sums[::-1])


def advantages(rewards: Tensor, values: Tensor, discount: float, trace: float) -> Tensor:
    """Return generalised advantages [n, T] (Schulman et al. 2016); a trial's end is worth 0."""
    after = torch.cat([values[1:], torch.zeros_like(values[:1])])
    return discounted(rewards + discount * after - values, discount * trace)


def divergence(log_p: Tensor, old: Tensor) -> Tensor:
    """Return the mean KL divergence of new probabilities from old ones."""
    return (old.exp() * (old - log_p)).sum(-1).mean()


def improve(step: MinibatchStep, whole: Part, generator: torch.Generator) -> None:
    """Move the policy and the value of `step` by what was played."""
    policy, rule = step.nets[0], step.rule
    old = _copied(policy)
    best: tuple[float, dict[str, Tensor]] | None = None
    for _ in range(rule.epochs):
        count = whole.gains.shape[1]
        order = torch.randperm(count, generator=generator, device=whole.gains.device)
        for rows in order.split(rule.minibatch):
            step(whole, rows)
        reached, far = _measured(policy, whole, rule.clip)
        if far <= rule.most_divergence and (best is None or reached > best[0]):
            best = reached, _copied(policy)
    if best is not None:
        policy.load_state_dict(best[1])
        return
    last = _copied(policy)
    for halving in range(1, HALVINGS + 1):
        share = 0.5**halving
        policy.load_state_dict({k: old[k] + share * (last[k] - old[k]) for k in old})
        if _measured(policy, whole, rule.clip)[1] <= rule.most_divergence:
            return
    policy.load_state_dict(old)


@torch.no_grad()
def _measured(policy: RecurrentNet, whole: Part, clip: float) -> tuple[float, float]:
    """Return surrogate and divergence over all trials."""
    trials = whole.trials
    log_p = policy(trials.inputs).log_softmax(-1)
    reached, far = surrogate(log_p, trials, whole.gains, clip), divergence(log_p, trials.log_p)
    return float(reached), float(far)


def _copied(net: nn.Module) -> dict[str, Tensor]:
    return {k: v.clone() for k, v in net.state_dict().items()}
