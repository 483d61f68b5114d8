"""Which parameters adapt: all, all but batch norms, the head alone (ANIL), or none."""

from __future__ import annotations

import pytest

from harness.errors import HarnessError
from harness.meta_gradient.engines import ENGINES, engine
from harness.meta_gradient.problem import InnerLoop
from tests.meta_gradient.differences import difference_error
from tests.meta_gradient.problems import (
    distance,
    norms,
    omniglot,
    random_rates,
    resnet,
    sinusoid,
    start,
)

CASES = {"omniglot-conv4": omniglot, "resnet": resnet}
FROZEN = {
    "none": lambda problem: frozenset(),
    "norms": norms,
    "body": lambda problem: frozenset(k for k in start(problem) if not k.startswith("head")),
}
orders = pytest.mark.parametrize("first_order", [False, True], ids=["second", "first"])


@orders
@pytest.mark.parametrize("frozen", FROZEN)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("other", [e for e in ENGINES if e != "higher"])
def test_engines_agree_with_higher(other, name, frozen, first_order):
    problem, batch = CASES[name]()
    inner = InnerLoop(2, 0.05, first_order, FROZEN[frozen](problem))
    reference, meta_gradient = (
        engine(e)(problem, start(problem), batch, inner) for e in ("higher", other)
    )
    assert distance(meta_gradient, reference) < 1e-9


@orders
@pytest.mark.parametrize("which", ENGINES)
def test_anil_is_the_derivative_body_included(which, first_order):
    """The body does not adapt and is meta-trained all the same."""
    problem, batch = omniglot()
    inner = InnerLoop(2, 0.05, first_order, FROZEN["body"](problem))
    meta_gradient = engine(which)(problem, start(problem), batch, inner)
    assert difference_error(problem, batch, inner, meta_gradient) < 1e-5
    assert float(meta_gradient.gradients["convolutions.0.weight"].abs().max()) > 1e-3


@orders
@pytest.mark.parametrize("which", ENGINES)
def test_anil_with_learned_rates_agrees_with_higher(which, first_order):
    problem, batch = resnet()
    inner = InnerLoop(2, 0.05, first_order, FROZEN["body"](problem))
    rates = random_rates(problem, inner, "weight")
    reference, meta_gradient = (
        engine(e)(problem, start(problem), batch, inner, rates) for e in ("higher", which)
    )
    assert meta_gradient.rate_gradients.keys() == {"head.weight", "head.bias"}
    assert distance(meta_gradient, reference) < 1e-9


MISTAKES = {
    "unknown": ({"layer.1.bias"}, r"found 'layer.1.bias' .did you mean 'layers.1.bias'.*, wanted"),
    "all": (set(start(sinusoid()[0])), "found every parameter, wanted one that adapts in 2 steps"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("which", ENGINES)
def test_wrong_names_are_one_sentence(which, mistake):
    problem, batch = sinusoid()
    frozen, sentence = MISTAKES[mistake]
    inner = InnerLoop(2, 0.05, False, frozenset(frozen))
    with pytest.raises(HarnessError, match=sentence):
        engine(which)(problem, start(problem), batch, inner)


@pytest.mark.parametrize("which", ENGINES)
def test_without_steps_all_may_be_frozen(which):
    problem, batch = sinusoid()
    frozen, free = (
        engine(which)(problem, start(problem), batch, InnerLoop(0, 0.05, False, names))
        for names in (frozenset(start(problem)), frozenset())
    )
    assert distance(frozen, free) < 1e-12
