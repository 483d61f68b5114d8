"""`batched:bf16`: products of rounded factors, all else as it is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from harness.errors import HarnessError
from harness.meta_gradient.batched.engine.engine import Batched
from harness.meta_gradient.batched.rules.products import (
    across,
    add_across,
    add_times,
    factors_in,
    times,
)
from harness.meta_gradient.engines import engine
from tests.meta_gradient.problems import (
    distance,
    inner_loop,
    omniglot,
    random_rates,
    resnet,
    sinusoid,
    start,
)

LOW = torch.bfloat16


def rounded(x):
    return x.to(LOW).to(x.dtype)


@pytest.mark.parametrize("shared", [True, False])
def test_products_are_those_of_rounded_factors(shared):
    """Exactly: with small whole numbers neither products nor sums round."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randint(-3, 4, shape, generator=generator).float() * (1 + 2.0**-10)

    x, g, w = draw(2, 5, 4), draw(2, 5, 3), draw(2, 4, 3)
    w = w[0] if shared else w
    assert not torch.equal(rounded(x), x)
    with factors_in(LOW):
        by, over = times(x, w), across(x, g, shared)
        twice = add_times(by.clone(), x, w), add_across(over.clone(), x, g)
    torch.testing.assert_close(by, times(rounded(x), rounded(w)), rtol=2**-8, atol=0)
    torch.testing.assert_close(over, across(rounded(x), rounded(g), shared), rtol=2**-8, atol=0)
    assert torch.equal(twice[0], 2 * by)
    assert torch.equal(twice[1], 2 * over)
    assert torch.equal(times(x, w), x @ w), "rounds no more behind the context"


@pytest.mark.parametrize("first_order", [False, True], ids=["second", "first"])
@pytest.mark.parametrize("case", [sinusoid, omniglot, resnet])
def test_rounds_the_factors_and_nothing_else(case, first_order):
    """In float64 with factors in float32, for a few batch norms later three digits say little."""
    problem, batch = case()
    inner = inner_loop(problem, 2, first_order)
    params, rates = start(problem), random_rates(problem, inner, "weight")
    whole, low = (
        Batched(factors=f)(problem, params, batch, inner, rates) for f in (None, torch.float32)
    )
    assert 1e-12 < distance(low, whole) < 1e-2
    assert {g.dtype for g in low.gradients.values()} == {torch.float64}


def test_bfloat16_points_where_single_precision_does():
    problem, batch = single(sinusoid)
    inner, params = inner_loop(problem, 1, False), start(problem)
    whole, low = (engine(e)(problem, params, batch, inner) for e in ("batched", "batched:bf16"))
    a, b = (torch.cat([g.flatten() for g in f.gradients.values()]) for f in (whole, low))
    # 0 would mean that nothing was rounded.
    assert 1e-7 < 1 - torch.nn.functional.cosine_similarity(a, b, dim=0) < 0.05


def single(case):
    problem, batch = case()
    problem.model.float()
    arrays = {k: v.float() if v.is_floating_point() else v for k, v in vars(batch).items()}
    return problem, replace(batch, **arrays)


def test_a_model_without_rules_is_refused(monkeypatch):
    from harness.meta_gradient.batched.engine import engine as module

    problem, batch = single(sinusoid)
    monkeypatch.setattr(module, "passes", lambda problem, x: module.GeneralPasses(problem))
    with pytest.raises(HarnessError, match="found MLP, which takes the general path; wanted"):
        Batched(factors=LOW)(problem, start(problem), batch, inner_loop(problem, 1, False))
