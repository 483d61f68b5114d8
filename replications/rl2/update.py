"""The update of policy and value from a batch of trials: clipped ratios, with a limit on the step.

Proximal policy optimisation as the authors' code of the time had it ("first-order TRPO"): several
epochs of small steps on the clipped surrogate; of the weights after each epoch those with the best
surrogate stay whose mean KL divergence from the old policy is within the limit, and if there are
none, the last step is halved until it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from replications.rl2.network import RecurrentNet
from replications.rl2.trials import Trials

HALVINGS = 15


@dataclass(frozen=True)
class Rule:
    """Switches of the update; see the settings of the method."""

    clip: float
    epochs: int
    minibatch: int
    most_divergence: float
    gradient_clip: float


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


def surrogate(log_p: Tensor, trials: Trials, gains: Tensor, clip: float) -> Tensor:
    """Return the clipped surrogate, to be raised: a mean over pulls and trials."""
    arms = trials.arms.unsqueeze(-1)
    ratio = (log_p.gather(-1, arms) - trials.log_p.gather(-1, arms)).squeeze(-1).exp()
    return torch.minimum(ratio * gains, ratio.clamp(1 - clip, 1 + clip) * gains).mean()


def divergence(log_p: Tensor, old: Tensor) -> Tensor:
    """Return the mean KL divergence of new probabilities from old ones."""
    return (old.exp() * (old - log_p)).sum(-1).mean()


def improve(
    policy: RecurrentNet,
    value: RecurrentNet,
    optimisers: tuple[torch.optim.Optimizer, torch.optim.Optimizer],
    trials: Trials,
    gains: Tensor,
    returns: Tensor,
    rule: Rule,
    generator: torch.Generator,
) -> None:
    """Move policy and value; `gains` and `returns` [n, T]."""
    old = _copied(policy)
    best: tuple[float, dict[str, Tensor]] | None = None
    for _ in range(rule.epochs):
        count = gains.shape[1]
        order = torch.randperm(count, generator=generator, device=gains.device)
        for rows in order.split(rule.minibatch):
            part = trials.some(rows)
            log_p = policy(part.inputs).log_softmax(-1)
            _step(optimisers[0], policy, -surrogate(log_p, part, gains[:, rows], rule.clip), rule)
            guessed = value(part.inputs).squeeze(-1)
            _step(optimisers[1], value, F.mse_loss(guessed, returns[:, rows]), rule)
        reached, far = _measured(policy, trials, gains, rule.clip)
        if far <= rule.most_divergence and (best is None or reached > best[0]):
            best = reached, _copied(policy)
    if best is not None:
        policy.load_state_dict(best[1])
        return
    last = _copied(policy)
    for halving in range(1, HALVINGS + 1):
        share = 0.5**halving
        policy.load_state_dict({k: old[k] + share * (last[k] - old[k]) for k in old})
        if _measured(policy, trials, gains, rule.clip)[1] <= rule.most_divergence:
            return
    policy.load_state_dict(old)


def _step(optimiser: torch.optim.Optimizer, net: nn.Module, loss: Tensor, rule: Rule) -> None:
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), rule.gradient_clip)
    optimiser.step()


@torch.no_grad()
def _measured(
    policy: RecurrentNet, trials: Trials, gains: Tensor, clip: float
) -> tuple[float, float]:
    """Return surrogate and divergence over all trials."""
    log_p = policy(trials.inputs).log_softmax(-1)
    return float(surrogate(log_p, trials, gains, clip)), float(divergence(log_p, trials.log_p))


def _copied(net: nn.Module) -> dict[str, Tensor]:
    return {k: v.clone() for k, v in net.state_dict().items()}
