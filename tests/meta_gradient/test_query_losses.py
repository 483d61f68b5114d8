"""What the outer loop minimises: losses after several steps, sums over classes, squared errors."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from harness.errors import HarnessError
from harness.meta_gradient.engines import ENGINES, engine
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
WEIGHTS = {"every": (0.1, 0.2, 0.7), "start": (1.0, 0.0, 0.0), "middle": (0.0, 0.6, 0.4)}
orders = pytest.mark.parametrize("first_order", [False, True], ids=["second", "first"])


def sum_over_classes(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The loss of the MAML code: `ways` times the mean cross-entropy."""
    return outputs.shape[-1] * F.cross_entropy(outputs, targets)


def squared_error(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Classification by regression on one-hot targets (`F.one_hot` does not run under vmap)."""
    classes = torch.arange(outputs.shape[-1])
    return F.mse_loss(outputs, (targets[:, None] == classes).to(outputs.dtype))


LOSSES = {"sum-over-classes": sum_over_classes, "squared-error": squared_error}


@orders
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("other", OTHERS)
def test_multi_step_losses_agree_with_higher(other, name, weights, first_order):
    problem, batch = CASES[name]()
    inner = replace(inner_loop(problem, 2, first_order), query_weights=WEIGHTS[weights])
    rates = random_rates(problem, inner, "step") if weights == "every" else None
    reference, meta_gradient = (
        engine(e)(problem, start(problem), batch, inner, rates) for e in ("higher", other)
    )
    assert distance(meta_gradient, reference) < 1e-9
    torch.testing.assert_close(meta_gradient.loss, reference.loss, rtol=1e-10, atol=0)


@orders
@pytest.mark.parametrize("which", ENGINES)
def test_a_multi_step_loss_is_the_weighted_sum_of_its_steps(which, first_order):
    """Its gradient too: that of w0 L0 + w1 L1 + w2 L2, each by a shorter inner loop."""
    problem, batch = sinusoid()
    weights = WEIGHTS["every"]
    inner = replace(inner_loop(problem, 2, first_order), query_weights=weights)
    meta_gradient = engine(which)(problem, start(problem), batch, inner)
    parts = [
        engine(which)(problem, start(problem), batch, inner_loop(problem, steps, first_order))
        for steps in range(3)
    ]
    loss = sum(w * part.loss for w, part in zip(weights, parts, strict=True))
    torch.testing.assert_close(meta_gradient.loss, loss, rtol=1e-12, atol=0)
    for name, gradient in meta_gradient.gradients.items():
        wanted = sum(w * part.gradients[name] for w, part in zip(weights, parts, strict=True))
        torch.testing.assert_close(gradient, wanted, rtol=1e-9, atol=1e-12)


@orders
@pytest.mark.parametrize("which", ENGINES)
def test_a_multi_step_loss_has_its_derivative(which, first_order):
    problem, batch = sinusoid()
    inner = replace(inner_loop(problem, 2, first_order), query_weights=WEIGHTS["every"])
    rates = random_rates(problem, inner, "step")
    meta_gradient = engine(which)(problem, start(problem), batch, inner, rates)
    assert difference_error(problem, batch, inner, meta_gradient, rates) < 1e-5


@orders
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("other", OTHERS)
def test_custom_losses_agree_with_higher(other, loss, first_order):
    problem, batch = omniglot()
    problem = replace(problem, support_loss=LOSSES[loss], query_loss=LOSSES[loss])
    inner = inner_loop(problem, 2, first_order)
    reference, meta_gradient = (
        engine(e)(problem, start(problem), batch, inner) for e in ("higher", other)
    )
    assert distance(meta_gradient, reference) < 1e-9


@orders
@pytest.mark.parametrize("which", ENGINES)
def test_support_and_query_losses_may_differ(which, first_order):
    problem, batch = omniglot()
    problem = replace(problem, support_loss=squared_error, query_loss=sum_over_classes)
    inner = inner_loop(problem, 2, first_order)
    meta_gradient = engine(which)(problem, start(problem), batch, inner)
    assert difference_error(problem, batch, inner, meta_gradient) < 1e-5


@pytest.mark.parametrize("which", ENGINES)
def test_a_sum_over_classes_steps_ways_times_as_far(which):
    """4 ways: the mean loss adapts alike at 4 times the rate, and the query loss is 4 times it."""
    problem, batch = omniglot()
    summed = replace(problem, support_loss=sum_over_classes, query_loss=sum_over_classes)
    inner = inner_loop(problem, 2, False)
    meta_gradient = engine(which)(summed, start(problem), batch, inner)
    mean = engine(which)(problem, start(problem), batch, replace(inner, rate=4 * inner.rate))
    torch.testing.assert_close(meta_gradient.loss, 4 * mean.loss, rtol=1e-10, atol=0)
    for name, gradient in meta_gradient.gradients.items():
        torch.testing.assert_close(gradient, 4 * mean.gradients[name], rtol=1e-8, atol=1e-11)


WRONG = {
    "few": ((0.5, 0.5), "query_weights: found 2, wanted 3: one before adaptation and one after"),
    "many": ((0.2, 0.2, 0.3, 0.3), "query_weights: found 4, wanted 3: one before adaptation and"),
    "zero": ((0.0, 0.0, 0.0), r"query_weights: found \(0.0, 0.0, 0.0\), wanted at least one that"),
}


@pytest.mark.parametrize("mistake", WRONG)
@pytest.mark.parametrize("which", ENGINES)
def test_wrong_query_weights_are_one_sentence(which, mistake):
    problem, batch = sinusoid()
    weights, sentence = WRONG[mistake]
    inner = replace(inner_loop(problem, 2, False), query_weights=weights)
    with pytest.raises(HarnessError, match=sentence):
        engine(which)(problem, start(problem), batch, inner)
