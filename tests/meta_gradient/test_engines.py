"""A5: all engines give one gradient in float64, and it is the one finite differences give."""

from __future__ import annotations

import sys
import warnings

import pytest
import torch
from torch.nn import functional as F

from harness.errors import HarnessError
from harness.meta_gradient.engines import ENGINES, engine
from harness.meta_gradient.problem import InnerLoop, MetaGradient, Params, Problem
from harness.models.mlp import MLP
from harness.models.strided_conv4 import StridedConv4
from harness.tasks.batch import SupervisedBatch

TASKS, WAYS = 3, 4


def regression() -> tuple[Problem, SupervisedBatch]:
    generator = torch.Generator().manual_seed(0)
    model = MLP(1, (8, 8), 1, False, generator).double()
    for p in model.parameters():  # larger than the paper's start, so that no gradient is tiny
        torch.nn.init.normal_(p, std=0.5, generator=generator)
    x = torch.rand(TASKS, 10, 1, generator=generator, dtype=torch.float64) * 10 - 5
    batch = SupervisedBatch(x[:, :5], torch.sin(x[:, :5]), x[:, 5:], torch.sin(x[:, 5:]))
    return Problem(model, F.mse_loss, F.mse_loss), batch


def classification() -> tuple[Problem, SupervisedBatch]:
    generator = torch.Generator().manual_seed(0)
    model = StridedConv4(1, 8, WAYS, generator).double()
    x = torch.rand(TASKS, 2 * WAYS, 1, 14, 14, generator=generator, dtype=torch.float64)
    y = torch.arange(WAYS).expand(TASKS, WAYS)
    batch = SupervisedBatch(x[:, :WAYS], y, x[:, WAYS:], y)
    return Problem(model, F.cross_entropy, F.cross_entropy), batch


PROBLEMS = {"mlp": regression, "conv4": classification}


def start(problem: Problem) -> Params:
    return {k: v.detach().clone() for k, v in problem.model.named_parameters()}


def inner_loop(
    problem: Problem, steps: int, first_order: bool, freeze_norms: bool = True
) -> InnerLoop:
    frozen = frozenset(k for k in start(problem) if freeze_norms and k.startswith("norms"))
    return InnerLoop(steps, 0.05, first_order, frozen)


def distance(a: MetaGradient, b: MetaGradient) -> float:
    """Largest difference, relative to the largest entry of the reference's gradient."""
    scale = max(g.abs().max() for g in b.gradients.values())
    return float(max((a.gradients[k] - g).abs().max() for k, g in b.gradients.items()) / scale)


@pytest.mark.parametrize("steps", [0, 1, 2, 5])
@pytest.mark.parametrize("first_order", [False, True], ids=["second", "first"])
@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("other", [e for e in ENGINES if e != "higher"])
def test_engines_agree_with_higher(other, name, first_order, steps):
    problem, batch = PROBLEMS[name]()
    inner = inner_loop(problem, steps, first_order)
    reference = engine("higher")(problem, start(problem), batch, inner)
    found = engine(other)(problem, start(problem), batch, inner)
    assert distance(found, reference) < 1e-9
    torch.testing.assert_close(found.loss, reference.loss, rtol=1e-12, atol=0)


@pytest.mark.parametrize("other", [e for e in ENGINES if e != "higher"])
def test_batch_norm_offsets_may_adapt(other):
    problem, batch = classification()
    inner = inner_loop(problem, 2, False, freeze_norms=False)
    reference = engine("higher")(problem, start(problem), batch, inner)
    assert distance(engine(other)(problem, start(problem), batch, inner), reference) < 1e-9


@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("which", ENGINES)
def test_second_order_is_the_derivative_of_the_adapted_loss(which, name, steps):
    problem, batch = PROBLEMS[name]()
    inner = inner_loop(problem, steps, first_order=False)
    found = engine(which)(problem, start(problem), batch, inner)
    assert directional_error(problem, batch, inner, found) < 1e-5


@pytest.mark.parametrize("which", ENGINES)
def test_first_order_is_the_query_gradient_where_the_task_ended(which):
    """Against its definition: differences of the query loss at constant inner gradients."""
    problem, batch = regression()
    inner = inner_loop(problem, 2, first_order=True)
    found = engine(which)(problem, start(problem), batch, inner)
    moved = [displacement(problem, batch, inner, i) for i in range(TASKS)]

    def loss(params: Params) -> torch.Tensor:
        each = [
            problem.on_query(
                {k: params[k] + moved[i][k] for k in params}, batch.query_x[i], batch.query_y[i]
            )
            for i in range(TASKS)
        ]
        return torch.stack(each).mean()

    assert difference_error(loss, start(problem), found.gradients) < 1e-5


def test_orders_differ_where_they_should():
    problem, batch = regression()
    orders = [
        engine("func")(problem, start(problem), batch, inner_loop(problem, 1, first))
        for first in (True, False)
    ]
    assert distance(*orders) > 1e-3


@pytest.mark.parametrize("which", ENGINES)
def test_engines_leave_the_parameters_and_the_callers_grad_alone(which):
    problem, batch = regression()
    params = start(problem)
    kept = {k: v.clone() for k, v in params.items()}
    engine(which)(problem, params, batch, inner_loop(problem, 1, False))
    assert all(torch.equal(params[k], kept[k]) for k in kept)
    assert all(p.grad is None for p in problem.model.parameters())


def test_unknown_engine_is_one_sentence():
    with pytest.raises(HarnessError, match=r"found engine 'fun' .did you mean 'func'.*wanted one"):
        engine("fun")


def adapted_loss(problem: Problem, batch: SupervisedBatch, inner: InnerLoop, params: Params):
    """The mean query loss after adaptation, by no engine's code."""
    losses = []
    for i in range(TASKS):
        current = {k: v.detach().requires_grad_() for k, v in params.items()}
        for _ in range(inner.steps):
            loss = problem.on_support(current, batch.support_x[i], batch.support_y[i])
            grads = torch.autograd.grad(loss, list(current.values()))
            current = {
                k: (v - (0 if k in inner.frozen else inner.rate) * g).detach().requires_grad_()
                for (k, v), g in zip(current.items(), grads, strict=True)
            }
        losses.append(problem.on_query(current, batch.query_x[i], batch.query_y[i]).detach())
    return torch.stack(losses).mean()


def displacement(problem: Problem, batch: SupervisedBatch, inner: InnerLoop, i: int) -> Params:
    begun = start(problem)
    current = begun
    for _ in range(inner.steps):
        current = {k: v.detach().requires_grad_() for k, v in current.items()}
        loss = problem.on_support(current, batch.support_x[i], batch.support_y[i])
        grads = torch.autograd.grad(loss, list(current.values()))
        current = {
            k: v.detach() - inner.rate * g for (k, v), g in zip(current.items(), grads, strict=True)
        }
    return {k: current[k] - begun[k] for k in begun}


def directional_error(problem, batch, inner, found: MetaGradient) -> float:
    def loss(params: Params) -> torch.Tensor:
        return adapted_loss(problem, batch, inner, params)

    return difference_error(loss, start(problem), found.gradients)


def difference_error(loss, params: Params, gradients: Params) -> float:
    """Largest relative error of directional derivatives along random directions."""
    generator = torch.Generator().manual_seed(1)
    worst = 0.0
    for _ in range(3):
        way = {
            k: torch.randn(v.shape, generator=generator, dtype=v.dtype) for k, v in params.items()
        }
        said = sum((gradients[k] * way[k]).sum() for k in params)
        # Small: an inner gradient jumps where a ReLU switches, and then the adapted loss does too.
        h = 2e-8
        ahead = loss({k: v + h * way[k] for k, v in params.items()})
        behind = loss({k: v - h * way[k] for k, v in params.items()})
        worst = max(worst, float(((ahead - behind) / (2 * h) - said).abs() / said.abs()))
    return worst


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("which", ENGINES)
def test_engines_agree_on_cuda(which):
    problem, batch = classification()
    inner = inner_loop(problem, 2, False)
    here = engine("loop")(problem, start(problem), batch, inner)
    problem.model.cuda()
    moved = SupervisedBatch(*(getattr(batch, f).cuda() for f in batch.__dataclass_fields__))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        there = engine(which)(problem, start(problem), moved, inner)
    there = MetaGradient(there.loss.cpu(), {k: g.cpu() for k, g in there.gradients.items()})
    assert distance(there, here) < 1e-9


def test_higher_that_is_not_installed_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "higher", None)
    problem, batch = regression()
    with pytest.raises(HarnessError, match="engine 'higher' needs the package higher: run `pip"):
        engine("higher")(problem, start(problem), batch, inner_loop(problem, 1, False))
