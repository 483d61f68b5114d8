"""Whose statistics a batch norm takes on the query set: the query's own, or both sets' together."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from harness.meta_gradient.engines import ENGINES, engine
from tests.meta_gradient.differences import difference_error
from tests.meta_gradient.problems import (
    distance,
    inner_loop,
    mini_imagenet,
    omniglot,
    resnet,
    sinusoid,
    start,
)

CASES = {"omniglot-conv4": omniglot, "mini-imagenet": mini_imagenet, "resnet": resnet}
orders = pytest.mark.parametrize("first_order", [False, True], ids=["second", "first"])


@orders
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("other", [e for e in ENGINES if e != "higher"])
def test_joint_statistics_agree_with_higher(other, name, first_order):
    problem, batch = CASES[name]()
    problem = replace(problem, query_statistics="support-and-query")
    inner = replace(inner_loop(problem, 2, first_order), query_weights=(0.2, 0.0, 0.8))
    reference, meta_gradient = (
        engine(e)(problem, start(problem), batch, inner) for e in ("higher", other)
    )
    assert distance(meta_gradient, reference) < 1e-9


@orders
@pytest.mark.parametrize("which", ENGINES)
def test_joint_statistics_give_the_derivative(which, first_order):
    """The differences join the sets by themselves and score the query examples only."""
    problem, batch = omniglot()
    problem = replace(problem, query_statistics="support-and-query")
    inner = inner_loop(problem, 1, first_order)
    meta_gradient = engine(which)(problem, start(problem), batch, inner)
    assert difference_error(problem, batch, inner, meta_gradient) < 1e-5


@pytest.mark.parametrize("which", ENGINES)
def test_only_a_batch_norm_sees_the_company(which):
    apart = []
    for case in (sinusoid, omniglot):
        problem, batch = case()
        inner = inner_loop(problem, 1, False)
        alone = engine(which)(problem, start(problem), batch, inner)
        problem = replace(problem, query_statistics="support-and-query")
        together = engine(which)(problem, start(problem), batch, inner)
        apart.append(distance(together, alone))
    without_norm, with_norm = apart
    assert without_norm < 1e-12
    assert with_norm > 1e-3


def test_the_joined_batch_ends_with_the_query_set():
    problem, batch = omniglot()
    joined = replace(problem, query_statistics="support-and-query").prepared(batch)
    count = batch.query_y.shape[1]
    assert joined.query_x.shape[1] == count + batch.support_y.shape[1]
    assert torch.equal(joined.query_x[:, -count:], batch.query_x)
    assert torch.equal(joined.query_x[:, :-count], batch.support_x)
    assert torch.equal(joined.query_y, batch.query_y)
    assert problem.prepared(batch) is batch
