"""The inner loop of Reptile: Adam without momentum on mini-batches, all tasks at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import vmap
from torch.nn import Module

from harness.meta_gradient.batched.engine.engine import passes
from harness.meta_gradient.batched.graph.passes import Passes, Seen
from harness.meta_gradient.losses import CrossEntropy
from harness.meta_gradient.problem import Params, Problem

BETA2, EPSILON = 0.999, 1e-8


@dataclass(frozen=True)
class AdamState:
    """Second moments by parameter name, and the number of steps taken (int64 scalar)."""

    second: Params
    steps: Tensor

    @classmethod
    def fresh(cls, params: Params) -> AdamState:
        """Return the state before the first step."""
        device = next(iter(params.values())).device
        zeros = {k: torch.zeros_like(v) for k, v in params.items()}
        return cls(zeros, torch.zeros((), dtype=torch.int64, device=device))


@dataclass(frozen=True)
class Adapted:
    """What the inner loop leaves of T tasks."""

    params: Params
    """After the last step, [T, …]."""
    last: Params
    """By how much the last step alone moved them, [T, …]."""
    second: Params
    """Second moments after the last step, [T, …]."""
    loss: Tensor
    """Mean over steps and examples, [T]."""


def minibatches(
    tasks: int, examples: int, size: int, count: int, generator: torch.Generator
) -> Tensor:
    """Draw rows of `count` mini-batches of each task, int64 [tasks, count, size] on the CPU.

    The examples are dealt out in random order; when all have been, they are shuffled and dealt out
    again, and a mini-batch may hold the end of one round and the start of the next.
    """
    rounds = -(-count * size // examples)
    order = torch.rand(tasks, rounds, examples, generator=generator).argsort(-1)
    return order.flatten(1)[:, : count * size].view(tasks, count, size)


def gradients_of(model: Module, example: Tensor) -> Passes:
    """Prepare the gradients of many tasks at once; `example` is one task's mini-batch [B, …].

    The loss is summed over a mini-batch: the code minimises a vector of losses, whose TensorFlow
    gradient is that of the sum. Adam hides a factor only where it is always the same, and at test
    mini-batches have another size than those that its second moments come from.
    """
    loss = CrossEntropy("sum")
    return passes(Problem(model, loss, loss), example)


@torch.no_grad()
def adapt(
    gradients: Passes,
    start: Params,
    state: AdamState,
    rate: float,
    x: Tensor,
    y: Tensor,
    rows: Tensor,
) -> Adapted:
    """Take a step on each of the mini-batches `rows` [T, steps, B] of examples x [T, S, …] and
    labels y [T, S], from shared parameters and a shared state.

    Adam with beta1 = 0, as TensorFlow 1 has it: ε is added to the root of the second moment before
    the correction of its bias.
    """
    current, second = gradients.packed(start), gradients.packed(state.second)
    moved, losses = current, []
    task = torch.arange(len(x), device=x.device).unsqueeze(1)
    for k in range(rows.shape[1]):
        some_x, some_y = x[task, rows[:, k]], y[task, rows[:, k]]
        seen = Seen(gradients.input(some_x), some_y, current, {})
        loss, gradient, _ = gradients.query(seen, summed=False)
        correction = (1 - BETA2 ** (state.steps.double() + k + 1)).sqrt().to(loss.dtype)
        second = {
            n: (BETA2 * v).add(gradient[n].square(), alpha=1 - BETA2) for n, v in second.items()
        }
        moved = {
            n: gradient[n] / (v.sqrt() + EPSILON) * (-rate * correction) for n, v in second.items()
        }
        current = {n: p + moved[n] for n, p in current.items()}
        losses.append(loss / some_y.shape[1])
    params, last, second = (vmap(gradients.unpacked)(p) for p in (current, moved, second))
    return Adapted(params, last, second, torch.stack(losses).mean(0))


def carried_on(state: AdamState, second: Params, steps: int) -> AdamState:
    """Return the state after the T tasks had their steps one after the other.

    `second` [T, …] are second moments after `steps` steps of each task from the common `state`.
    v ← β₂ v + (1 - β₂) g² is linear in v, so what each task added is what it would have added to
    any other v: the added parts are chained, each decayed by the steps of the tasks after it.
    """
    decay = BETA2**steps
    carried = {}
    for name, start in state.second.items():
        tasks = len(second[name])
        powers = torch.arange(tasks - 1, -1, -1, device=start.device, dtype=torch.float64)
        weights = (decay**powers).to(start.dtype).view(-1, *[1] * start.dim())
        added = second[name] - decay * start
        carried[name] = decay**tasks * start + (weights * added).sum(0)
    return AdamState(carried, state.steps + tasks * steps)
