"""How classifications of query sets are scored: percent right, and the loss."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def percent(right: Tensor) -> Tensor:
    """Return the share of queries that are right in each task, in percent: [T, Q] -> [T]."""
    return 100 * right.float().mean(1)


def percent_right(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the accuracy of each task [T] in percent: outputs [T, Q, ways], labels [T, Q]."""
    return percent(outputs.argmax(-1) == labels)


def scores_of_logits(logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Return `accuracy` [T] in percent and `loss` [T], the mean cross-entropy over the queries in
    nats: logits [T, Q, ways], labels [T, Q]."""
    losses = F.cross_entropy(logits.mT, labels, reduction="none")
    return {"accuracy": percent_right(logits, labels), "loss": losses.mean(1)}


def scores_of_log_probabilities(log_p: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Return the same for ln p [T, Q, ways], which are not normalised again."""
    losses = -log_p.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    return {"accuracy": percent_right(log_p, labels), "loss": losses.mean(1)}
