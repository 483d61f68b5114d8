"""Learned inner rates: one a step and parameter (MAML++), one a weight (Meta-SGD), or some."""

from __future__ import annotations

import pytest
import torch

from harness.errors import HarnessError
from harness.meta_gradient.engines import ENGINES, engine
from harness.meta_gradient.problem import InnerLoop
from tests.meta_gradient.differences import difference_error
from tests.meta_gradient.problems import (
    distance,
    inner_loop,
    omniglot,
    random_rates,
    sinusoid,
    start,
)

OTHERS = [e for e in ENGINES if e != "higher"]
CASES = {"sinusoid-mlp": sinusoid, "omniglot-conv4": omniglot}
orders = pytest.mark.parametrize("first_order", [False, True], ids=["second", "first"])


@orders
@pytest.mark.parametrize("kind", ["step", "weight"])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("other", OTHERS)
def test_engines_agree_with_higher(other, name, kind, first_order):
    problem, batch = CASES[name]()
    inner = inner_loop(problem, 3, first_order)
    rates = random_rates(problem, inner, kind)
    reference, meta_gradient = (
        engine(e)(problem, start(problem), batch, inner, rates) for e in ("higher", other)
    )
    assert meta_gradient.rate_gradients.keys() == rates.keys()
    assert distance(meta_gradient, reference) < 1e-9


@orders
@pytest.mark.parametrize("kind", ["step", "weight"])
@pytest.mark.parametrize("which", ENGINES)
def test_rate_gradients_are_the_derivative(which, kind, first_order):
    problem, batch = sinusoid()
    inner = inner_loop(problem, 2, first_order)
    rates = random_rates(problem, inner, kind)
    meta_gradient = engine(which)(problem, start(problem), batch, inner, rates)
    assert difference_error(problem, batch, inner, meta_gradient, rates) < 1e-5


@orders
@pytest.mark.parametrize("which", ENGINES)
def test_some_rates_learned_and_the_rest_fixed(which, first_order):
    problem, batch = sinusoid()
    inner = inner_loop(problem, 2, first_order)
    every = random_rates(problem, inner, "step")
    rates = {k: v for k, v in every.items() if k.endswith("bias")}
    meta_gradient = engine(which)(problem, start(problem), batch, inner, rates)
    assert meta_gradient.rate_gradients.keys() == rates.keys()
    assert difference_error(problem, batch, inner, meta_gradient, rates) < 1e-5


@orders
@pytest.mark.parametrize("which", ENGINES)
def test_rates_that_equal_the_fixed_one_change_nothing(which, first_order):
    problem, batch = sinusoid()
    inner = inner_loop(problem, 2, first_order)
    rates = {k: torch.full_like(v, 0.05) for k, v in random_rates(problem, inner, "step").items()}
    learned = engine(which)(problem, start(problem), batch, inner, rates)
    fixed = engine(which)(problem, start(problem), batch, inner)
    for name, gradient in fixed.gradients.items():
        torch.testing.assert_close(learned.gradients[name], gradient, rtol=1e-10, atol=1e-13)
    assert fixed.rate_gradients == {}


@pytest.mark.parametrize("which", ENGINES)
def test_the_rate_of_the_last_step_has_one_gradient_in_both_orders(which):
    """After it no inner gradient is taken, so none is held constant."""
    problem, batch = sinusoid()
    by_order = []
    for first_order in (False, True):
        inner = inner_loop(problem, 2, first_order)
        rates = random_rates(problem, inner, "weight")
        by_order.append(engine(which)(problem, start(problem), batch, inner, rates).rate_gradients)
    second, first = by_order
    for name in second:
        torch.testing.assert_close(second[name][1], first[name][1], rtol=1e-9, atol=1e-14)
    assert any(not torch.allclose(second[k][0], first[k][0], rtol=1e-3) for k in second)


@pytest.mark.parametrize("which", ENGINES)
def test_without_a_step_there_is_no_rate_to_learn(which):
    problem, batch = sinusoid()
    inner = inner_loop(problem, 0, False)
    rates = random_rates(problem, inner, "step")
    meta_gradient = engine(which)(problem, start(problem), batch, inner, rates)
    assert {k: v.shape for k, v in meta_gradient.rate_gradients.items()} == {
        k: v.shape for k, v in rates.items()
    }


NAME = "layers.1.weight"  # [8, 1]
WRONG = {
    "unknown": ("layers.9.weight", (2, 1, 1), "found 'layers.9.weight', wanted names of param"),
    "frozen": ("layers.1.bias", (2, 1), "found 'layers.1.bias', wanted names of parameters that"),
    "steps": (NAME, (3, 1, 1), r"found shape \(3, 1, 1\), wanted 2 steps and then axes"),
    "axes": (NAME, (2, 1), r"found shape \(2, 1\), wanted 2 steps .* against \(8, 1\)"),
    "width": (NAME, (2, 4, 1), r"found shape \(2, 4, 1\), wanted 2 steps .* against \(8, 1\)"),
    "wider": (NAME, (2, 8, 5), r"found shape \(2, 8, 5\), wanted 2 steps .* against \(8, 1\)"),
    "scalar": (NAME, (), r"found shape \(\), wanted 2 steps and then axes"),
}


@pytest.mark.parametrize("mistake", WRONG)
@pytest.mark.parametrize("which", ENGINES)
def test_wrong_rates_are_one_sentence(which, mistake):
    problem, batch = sinusoid()
    inner = InnerLoop(2, 0.05, False, frozenset({"layers.1.bias"}))
    name, shape, sentence = WRONG[mistake]
    rates = {name: torch.full(shape, 0.05, dtype=torch.float64)}
    with pytest.raises(HarnessError, match=sentence) as caught:
        engine(which)(problem, start(problem), batch, inner, rates)
    assert "\n" not in str(caught.value)
