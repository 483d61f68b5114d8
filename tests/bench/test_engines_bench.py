"""One meta-gradient of each engine, side by side: Omniglot's strided conv4, 5-way 1-shot."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from harness.meta_gradient.engines import ENGINES, engine
from harness.meta_gradient.problem import InnerLoop, Problem
from harness.models.strided_conv4 import StridedConv4
from harness.tasks.batch import SupervisedBatch

TASKS, WAYS, FILTERS = 8, 5, 64


def problem_and_batch():
    generator = torch.Generator().manual_seed(0)
    model = StridedConv4(1, FILTERS, WAYS, generator)
    x = torch.rand(TASKS, 2 * WAYS, 1, 28, 28, generator=generator)
    y = torch.arange(WAYS).expand(TASKS, WAYS)
    problem = Problem(model, F.cross_entropy, F.cross_entropy)
    return problem, SupervisedBatch(x[:, :WAYS], y, x[:, WAYS:], y)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize(
    "first_order",
    [
        pytest.param(order, id=name, marks=pytest.mark.benchmark(group=f"meta-gradient, {name}"))
        for order, name in ((False, "second order"), (True, "first order"))
    ],
)
def test_meta_gradient(benchmark, name, first_order):
    if name == "higher":
        pytest.importorskip("higher")
    problem, batch = problem_and_batch()
    params = {k: v.detach().clone() for k, v in problem.model.named_parameters()}
    frozen = frozenset(k for k in params if k.startswith("norms"))
    inner = InnerLoop(1, 0.4, first_order, frozen)
    meta_gradient = benchmark(lambda: engine(name)(problem, params, batch, inner))
    assert meta_gradient.gradients.keys() == params.keys()
    assert all(g.isfinite().all() for g in meta_gradient.gradients.values())
    assert float(meta_gradient.gradients["head.weight"].abs().max()) > 0
