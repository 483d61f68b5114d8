"""The meta-gradients that are compared: published shapes, with noise for images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from harness.meta_gradient.problem import InnerLoop, Params, Problem
from harness.models.batch_statistics import BatchStatistics
from harness.models.mlp import MLP
from harness.models.strided_conv4 import StridedConv4
from harness.tasks.batch import SupervisedBatch

Built = tuple[Problem, Params, SupervisedBatch, InnerLoop]


@dataclass(frozen=True)
class Case:
    """One meta-gradient: `problem(generator, small)` gives the work, the rest is the inner loop."""

    title: str
    problem: Callable[[torch.Generator, bool], tuple[Problem, SupervisedBatch]]
    steps: int
    rate: float
    first_order: bool

    def build(self, small: bool = False, device: str = "cpu") -> Built:
        """Return the work in float32, or, to compare results, a small one in float64."""
        problem, batch = self.problem(torch.Generator().manual_seed(0), small)
        dtype = torch.float64 if small else torch.float32
        problem.model.to(device, dtype)
        batch = moved(batch, device, dtype)
        params = {k: v.detach().clone() for k, v in problem.model.named_parameters()}
        inner = InnerLoop(self.steps, self.rate, self.first_order, frozen(problem.model))
        return problem, params, batch, inner


def moved(batch: SupervisedBatch, device: str, dtype: torch.dtype) -> SupervisedBatch:
    """Return the batch on `device`, its real numbers (not its labels) as `dtype`."""
    return type(batch)(
        **{
            k: v.to(device, dtype if v.is_floating_point() else None)
            for k, v in vars(batch).items()
        }
    )


def frozen(model: nn.Module) -> frozenset[str]:
    """Name the offsets of batch norm: in MAML's code they are meta-trained and do not adapt."""
    layers = {n: m for n, m in model.named_modules() if isinstance(m, BatchStatistics)}
    return frozenset(f"{n}.{k}" for n, m in layers.items() for k, _ in m.named_parameters())


def omniglot(generator: torch.Generator, small: bool) -> tuple[Problem, SupervisedBatch]:
    """5-way 1-shot with one query image per class on the strided conv4, meta-batch 32."""
    filters, tasks = (4, 2) if small else (64, 32)
    model = StridedConv4(1, filters, 5, generator)
    return classification(model, generator, tasks, 1, 1, (1, 28, 28))


def mini_imagenet(generator: torch.Generator, small: bool) -> tuple[Problem, SupervisedBatch]:
    """5-way 1-shot with 15 query images per class on conv4 with max-pooling, meta-batch 4."""
    wanted = "the network of mini-ImageNet is not in this checkout"
    module = pytest.importorskip("harness.models.max_pool_conv4", reason=wanted)
    filters, tasks, size = (4, 2, 32) if small else (32, 4, 84)
    model = module.MaxPoolConv4(channels=3, filters=filters, size=size, ways=5, generator=generator)
    return classification(model, generator, tasks, 1, 15, (3, size, size))


def classification(
    model: nn.Module,
    generator: torch.Generator,
    tasks: int,
    shots: int,
    queries: int,
    image: tuple[int, ...],
    ways: int = 5,
) -> tuple[Problem, SupervisedBatch]:
    """Return tasks of noise with the shape of images."""
    x = [torch.rand(tasks, ways * n, *image, generator=generator) for n in (shots, queries)]
    y = [torch.arange(ways).repeat_interleave(n).expand(tasks, -1) for n in (shots, queries)]
    return Problem(model, F.cross_entropy, F.cross_entropy), SupervisedBatch(x[0], y[0], x[1], y[1])


def sinusoid(generator: torch.Generator, small: bool) -> tuple[Problem, SupervisedBatch]:
    """Ten support and ten query points on an MLP with two layers of 40 units, meta-batch 25."""
    tasks, hidden = (3, (8, 8)) if small else (25, (40, 40))
    model = MLP(1, hidden, 1, False, generator)
    if small:  # larger than the published start, so that no gradient is tiny
        for p in model.parameters():
            nn.init.normal_(p, std=0.5, generator=generator)
    x = torch.rand(tasks, 20, 1, generator=generator) * 10 - 5
    batch = SupervisedBatch(x[:, :10], x[:, :10].sin(), x[:, 10:], x[:, 10:].sin())
    return Problem(model, F.mse_loss, F.mse_loss), batch


CASES = {
    "omniglot-second-order-1-step": Case(
        "Omniglot 5-way 1-shot, 32 tasks, second order, 1 step", omniglot, 1, 0.4, False
    ),
    "omniglot-second-order-5-steps": Case(
        "Omniglot 5-way 1-shot, 32 tasks, second order, 5 steps", omniglot, 5, 0.4, False
    ),
    "omniglot-first-order-1-step": Case(
        "Omniglot 5-way 1-shot, 32 tasks, first order, 1 step", omniglot, 1, 0.4, True
    ),
    "mini-imagenet-second-order-5-steps": Case(
        "mini-ImageNet 5-way 1-shot 15-query, 4 tasks, second order, 5 steps",
        mini_imagenet,
        5,
        0.01,
        False,
    ),
    "sinusoid-second-order-1-step": Case(
        "sinusoids 10-shot, 25 tasks, second order, 1 step", sinusoid, 1, 0.01, False
    ),
}
