"""Training with a stop in the middle against training straight on."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from harness.method import Method

Weights = dict[str, Tensor]


def with_and_without_stop(
    make: Callable[[], Method],
    batches: Sequence[Any],
    stop: int,
    make_again: Callable[[], Method] | None = None,
) -> tuple[Weights, Weights]:
    """Return the weights after one training step on each of `batches`, trained straight and
    stopped.

    The second training stops after `stop` steps. What it keeps goes through a file that is read
    without unpickling code, as a checkpoint is, into a method by `make_again` (`make` where there
    is none; one with other initial weights shows that none of them are left).
    """
    straight, before, after = make(), make(), (make_again or make)()
    _train(straight, batches, 0)
    _train(before, batches[:stop], 0)
    file = io.BytesIO()
    torch.save({"weights": before.weights(), "state": before.training_state()}, file)
    file.seek(0)
    kept = torch.load(file, weights_only=True)
    after.load_weights(kept["weights"])
    after.load_training_state(kept["state"])
    _train(after, batches[stop:], stop)
    return straight.weights(), after.weights()


def same_weights(one: Weights, other: Weights) -> bool:
    """Whether both have the same names, and the same bits under each."""
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def _train(method: Method, batches: Sequence[Any], first: int) -> None:
    for i, batch in enumerate(batches, first):
        method.before_step(i)
        method.train_step(batch, i)
