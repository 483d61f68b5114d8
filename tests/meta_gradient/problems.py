"""Five small problems in float64, one for each kind of model, and how far two gradients differ."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.meta_gradient.problem import InnerLoop, MetaGradient, Params, Problem
from harness.models.batch_statistics import BatchStatistics
from harness.models.max_pool_conv4 import MaxPoolConv4
from harness.models.mlp import MLP
from harness.models.strided_conv4 import StridedConv4
from harness.tasks.batch import SupervisedBatch
from tests.models.small_resnet import SmallResNet

Case = tuple[Problem, SupervisedBatch]


def sinusoid(tasks: int = 3, hidden: Sequence[int] = (8, 8), batch_norm: bool = False) -> Case:
    """Regression with 5 support and 5 query points, MSE."""
    generator = torch.Generator().manual_seed(0)
    model = MLP(1, hidden, 1, batch_norm, generator).double()
    for p in model.parameters():  # larger than the paper's start, so that no gradient is tiny
        nn.init.normal_(p, std=0.5, generator=generator)
    x = torch.rand(tasks, 10, 1, generator=generator, dtype=torch.float64) * 10 - 5
    batch = SupervisedBatch(x[:, :5], torch.sin(x[:, :5]), x[:, 5:], torch.sin(x[:, 5:]))
    return Problem(model, F.mse_loss, F.mse_loss), batch


def omniglot() -> Case:
    """The strided conv4 of Omniglot, 4-way 1-shot, on images of half the size."""
    model = StridedConv4(1, 12, 4, torch.Generator().manual_seed(0))
    return _classification(model, tasks=3, ways=4, channels=1, size=14)


def pooled() -> Case:
    """The max-pooled conv4 at Omniglot's size: its last pool leaves one pixel."""
    model = MaxPoolConv4(1, 4, 28, 3, torch.Generator().manual_seed(0))
    return _classification(model, tasks=2, ways=3, channels=1, size=28)


def mini_imagenet() -> Case:
    """The max-pooled conv4 at mini-ImageNet's size (odd rows are dropped), few filters."""
    model = MaxPoolConv4(3, 3, 84, 2, torch.Generator().manual_seed(0))
    return _classification(model, tasks=2, ways=2, channels=3, size=84)


def resnet() -> Case:
    """Two residual blocks: a model that is no chain."""
    model = SmallResNet(2, (4, 6), 3, torch.Generator().manual_seed(0))
    return _classification(model, tasks=2, ways=3, channels=2, size=9)


PROBLEMS = {
    "sinusoid-mlp": sinusoid,
    "omniglot-conv4": omniglot,
    "pooled-conv4": pooled,
    "mini-imagenet": mini_imagenet,
    "resnet": resnet,
}


def _classification(model: nn.Module, tasks: int, ways: int, channels: int, size: int) -> Case:
    # Random pixels: engines that round differently may not meet a tie in a max pool or ReLU's kink.
    generator = torch.Generator().manual_seed(1)
    shape = (tasks, 2 * ways, channels, size, size)
    x = torch.rand(shape, generator=generator, dtype=torch.float64)
    y = torch.arange(ways).expand(tasks, ways)
    batch = SupervisedBatch(x[:, :ways], y, x[:, ways:], y)
    return Problem(model.double(), F.cross_entropy, F.cross_entropy), batch


def start(problem: Problem) -> Params:
    """Copies of the model's parameters."""
    return {k: v.detach().clone() for k, v in problem.model.named_parameters()}


def norms(problem: Problem) -> frozenset[str]:
    """The offsets of the batch norms, which do not adapt in the authors' code."""
    layers = {k for k, m in problem.model.named_modules() if isinstance(m, BatchStatistics)}
    return frozenset(k for k in start(problem) if k.rpartition(".")[0] in layers)


def inner_loop(problem: Problem, steps: int, first_order: bool) -> InnerLoop:
    """MAML's: all but the batch norms' offsets adapt."""
    return InnerLoop(steps, 0.05, first_order, norms(problem))


def random_rates(problem: Problem, inner: InnerLoop, kind: str) -> Params:
    """Learned rates around 0.05, one a "step" (MAML++) or one a "weight" and step (Meta-SGD)."""
    generator = torch.Generator().manual_seed(2)
    rates = {}
    for name, value in start(problem).items():
        if name not in inner.frozen:
            axes = value.shape if kind == "weight" else (1,) * value.dim()
            draws = torch.rand(inner.steps, *axes, generator=generator, dtype=torch.float64)
            rates[name] = 0.025 + 0.05 * draws
    return rates


def distance(a: MetaGradient, b: MetaGradient) -> float:
    """Largest difference relative to the largest entry of `b`, of weights and rates each."""
    assert _shapes(a) == _shapes(b)
    mine, wanted = ((_flat(m.gradients), _flat(m.rate_gradients)) for m in (a, b))
    # Python's max would pass over a nan.
    assert all(g.isfinite().all() for g in (*mine, *wanted)), "a gradient is not finite"
    largest = max(float(g.abs().max()) for g in wanted if g.numel())
    assert largest > 0, "a gradient that is zero everywhere compares nothing"
    # Rates of parameters without a gradient (a bias before a batch norm) have rounding noise only.
    floor = 1e-6 * largest
    return max(
        float((m - w).abs().max()) / max(float(w.abs().max()), floor)
        for m, w in zip(mine, wanted, strict=True)
        if w.numel()
    )


def _flat(group: Params) -> Tensor:
    return torch.cat([group[k].flatten() for k in sorted(group)] or [torch.zeros(0)])


def _shapes(meta_gradient: MetaGradient) -> list[dict[str, torch.Size]]:
    return [
        {k: v.shape for k, v in g.items()}
        for g in (meta_gradient.gradients, meta_gradient.rate_gradients)
    ]
