"""The meta-gradient of every engine is the derivative that finite differences give."""

from __future__ import annotations

import pytest

from harness.meta_gradient.engines import ENGINES, engine
from tests.meta_gradient.differences import difference_error
from tests.meta_gradient.problems import PROBLEMS, inner_loop, omniglot, sinusoid, start

CHEAP = {"sinusoid-mlp": sinusoid, "omniglot-conv4": omniglot}
TOLERANCE = 1e-5


@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize("name", CHEAP)
@pytest.mark.parametrize("which", ENGINES)
def test_second_order_is_the_derivative_of_the_adapted_loss(which, name, steps):
    problem, batch = CHEAP[name]()
    inner = inner_loop(problem, steps, first_order=False)
    meta_gradient = engine(which)(problem, start(problem), batch, inner)
    assert difference_error(problem, batch, inner, meta_gradient) < TOLERANCE


@pytest.mark.parametrize("which", ENGINES)
def test_first_order_is_the_query_gradient_where_the_task_ended(which):
    """Against its definition: differences of the query loss at constant inner gradients."""
    problem, batch = sinusoid()
    inner = inner_loop(problem, 2, first_order=True)
    meta_gradient = engine(which)(problem, start(problem), batch, inner)
    assert difference_error(problem, batch, inner, meta_gradient) < TOLERANCE


@pytest.mark.parametrize("name", [n for n in PROBLEMS if n not in CHEAP])
def test_higher_is_a_right_reference_on_the_other_models(name):
    problem, batch = PROBLEMS[name]()
    inner = inner_loop(problem, 1, first_order=False)
    meta_gradient = engine("higher")(problem, start(problem), batch, inner)
    assert difference_error(problem, batch, inner, meta_gradient) < TOLERANCE


@pytest.mark.parametrize("claimed", [True, False], ids=["first", "second"])
def test_differences_refuse_the_other_order(claimed):
    problem, batch = sinusoid()
    meta_gradient = engine("loop")(problem, start(problem), batch, inner_loop(problem, 1, claimed))
    other = inner_loop(problem, 1, not claimed)
    assert difference_error(problem, batch, other, meta_gradient) > 1e-3
