"""What engines leave alone, what they refuse, and that they run where the data is."""

from __future__ import annotations

import sys
import warnings

import pytest
import torch

from harness.errors import HarnessError
from harness.meta_gradient.engines import ENGINES, engine
from harness.meta_gradient.problem import MetaGradient
from harness.tasks.batch import SupervisedBatch
from tests.meta_gradient.problems import (
    distance,
    inner_loop,
    omniglot,
    random_rates,
    sinusoid,
    start,
)


@pytest.mark.parametrize("which", ENGINES)
def test_engines_leave_parameters_rates_and_the_callers_grad_alone(which):
    problem, batch = sinusoid()
    inner = inner_loop(problem, 1, False)
    params, rates = start(problem), random_rates(problem, inner, "weight")
    kept = [{k: v.clone() for k, v in group.items()} for group in (params, rates)]
    meta_gradient = engine(which)(problem, params, batch, inner, rates)
    for group, before in zip((params, rates), kept, strict=True):
        assert all(torch.equal(group[k], before[k]) for k in before)
        assert not any(v.requires_grad or v.grad is not None for v in group.values())
    assert all(p.grad is None for p in problem.model.parameters())
    given = [
        meta_gradient.loss,
        *meta_gradient.gradients.values(),
        *meta_gradient.rate_gradients.values(),
    ]
    assert not any(v.requires_grad for v in given)


@pytest.mark.parametrize("which", ENGINES)
def test_the_order_of_names_does_not_matter(which):
    """Parameters come from files too; engines go by name, not by place."""
    problem, batch = sinusoid()
    inner = inner_loop(problem, 2, False)
    params = start(problem)
    turned = dict(reversed(params.items()))
    meta_gradient = engine(which)(problem, turned, batch, inner)
    assert distance(meta_gradient, engine(which)(problem, params, batch, inner)) < 1e-12


def test_unknown_engine_is_one_sentence():
    with pytest.raises(HarnessError, match=r"found engine 'fun' .did you mean 'func'.*wanted one"):
        engine("fun")


def test_higher_that_is_not_installed_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "higher", None)
    problem, batch = sinusoid()
    with pytest.raises(HarnessError, match="engine 'higher' needs the package higher: run `pip"):
        engine("higher")(problem, start(problem), batch, inner_loop(problem, 1, False))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("which", ENGINES)
def test_engines_agree_on_cuda(which):
    problem, batch = omniglot()
    inner = inner_loop(problem, 2, False)
    rates = random_rates(problem, inner, "step")
    here = engine("loop")(problem, start(problem), batch, inner, rates)
    problem.model.cuda()
    moved = SupervisedBatch(*(getattr(batch, f).cuda() for f in batch.__dataclass_fields__))
    moved_rates = {k: v.cuda() for k, v in rates.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        there = engine(which)(problem, start(problem), moved, inner, moved_rates)
    groups = (there.gradients, there.rate_gradients)
    back = MetaGradient(there.loss.cpu(), *({k: g.cpu() for k, g in p.items()} for p in groups))
    assert distance(back, here) < 1e-9
