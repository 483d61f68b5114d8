"""Engines agree on problems nobody chose: random MLPs, tasks, steps, rates, weights and orders."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from harness.meta_gradient.engines import ENGINES, engine
from harness.meta_gradient.problem import InnerLoop, Params, Problem
from harness.models.mlp import MLP
from harness.tasks.batch import SupervisedBatch
from tests.meta_gradient.problems import distance, start

DOUBLE = torch.float64


@st.composite
def problems(draw: Any) -> tuple[Problem, SupervisedBatch, InnerLoop, Params]:
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    inputs, outputs = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    hidden = draw(st.lists(st.integers(1, 5), max_size=3))
    model = MLP(inputs, hidden, outputs, draw(st.booleans()), generator).double()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.5, generator=generator)
    tasks, support, query = draw(st.tuples(*[st.integers(1, 3)] * 3))

    def numbers(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=DOUBLE)

    # Two examples at least: a batch norm of one is a constant.
    sets = [numbers(tasks, n + 1, d) for n in (support, query) for d in (inputs, outputs)]
    problem = Problem(model, F.mse_loss, F.mse_loss, draw(st.sampled_from(STATISTICS)))
    inner = draw(inner_loops(list(start(problem))))
    return problem, SupervisedBatch(*sets), inner, draw(learned(problem, inner, generator))


STATISTICS = ("query", "support-and-query")


@st.composite
def inner_loops(draw: Any, names: list[str]) -> InnerLoop:
    steps = draw(st.integers(0, 3))
    frozen = draw(st.sets(st.sampled_from(names), max_size=len(names) - 1))
    weights = draw(st.lists(st.floats(0.1, 1.0), min_size=steps + 1, max_size=steps + 1))
    return InnerLoop(
        steps,
        draw(st.floats(0.001, 0.1)),
        draw(st.booleans()),
        frozenset(frozen),
        draw(st.sampled_from([(), tuple(weights)])),
    )


@st.composite
def learned(draw: Any, problem: Problem, inner: InnerLoop, generator: torch.Generator) -> Params:
    rates = {}
    for name, value in start(problem).items():
        if name not in inner.frozen and draw(st.booleans()):
            axes = [n if draw(st.booleans()) else 1 for n in value.shape]
            rates[name] = 0.1 * torch.rand(inner.steps, *axes, generator=generator, dtype=DOUBLE)
    return rates


@pytest.mark.parametrize("other", [e for e in ENGINES if e not in ("loop", "higher")])
@settings(max_examples=60)
@given(drawn=problems())
def test_engines_agree_with_loop(other, drawn):
    problem, batch, inner, rates = drawn
    reference, meta_gradient = (
        engine(e)(problem, start(problem), batch, inner, rates) for e in ("loop", other)
    )
    assert distance(meta_gradient, reference) < 1e-9
    torch.testing.assert_close(meta_gradient.loss, reference.loss, rtol=1e-9, atol=0)
