"""Parameters with a value of their own for each inner step: the batch norms of MAML++."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.func import functional_call
from torch.nn import functional as F

from harness.errors import HarnessError
from harness.meta_gradient.engines import ENGINES, engine
from harness.meta_gradient.func import adapt
from harness.meta_gradient.problem import InnerLoop, Params, Problem, on_query, split
from tests.meta_gradient.problems import (
    Case,
    distance,
    inner_loop,
    norms,
    omniglot,
    random_rates,
    resnet,
    start,
)

STEPS = 3
CASES = {"omniglot-conv4": omniglot, "resnet": resnet}
WEIGHTS = {"last": (), "every": (0.1, 0.2, 0.3, 0.4)}
orders = pytest.mark.parametrize("first_order", [False, True], ids=["second", "first"])


def drawn(case: Case, first_order: bool, weights: str) -> tuple[Params, InnerLoop]:
    """Parameters whose batch norms differ from step to step."""
    problem, _ = case
    inner = replace(
        inner_loop(problem, STEPS, first_order),
        per_step=norms(problem),
        query_weights=WEIGHTS[weights],
    )
    g = torch.Generator().manual_seed(3)
    params = start(problem)
    for name in inner.per_step:
        shape = (STEPS, *params[name].shape)
        params[name] = 0.3 * torch.randn(shape, generator=g, dtype=torch.float64)
    return params, inner


@orders
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("other", [e for e in ENGINES if e != "higher"])
def test_engines_agree_with_higher(other, name, weights, first_order):
    problem, batch = case = CASES[name]()
    params, inner = drawn(case, first_order, weights)
    rates = random_rates(problem, inner, "step")
    reference, meta_gradient = (
        engine(e)(problem, params, batch, inner, rates) for e in ("higher", other)
    )
    assert distance(meta_gradient, reference) < 1e-9
    torch.testing.assert_close(meta_gradient.loss, reference.loss, rtol=1e-10, atol=0)


@orders
@pytest.mark.parametrize("frozen", ["convolutions.0", "convolutions"])
def test_frozen_layers_before_norms_of_each_step_agree_with_higher(frozen, first_order):
    """What `batched` does once for all steps ends before the first of these norms."""
    problem, batch = case = omniglot()
    params, inner = drawn(case, first_order, "every")
    more = frozenset(name for name in params if name.startswith(frozen))
    inner = replace(inner, frozen=inner.frozen | more)
    reference, meta_gradient = (
        engine(e)(problem, params, batch, inner) for e in ("higher", "batched")
    )
    assert distance(meta_gradient, reference) < 1e-9


@orders
@pytest.mark.parametrize("which", ENGINES)
def test_the_gradient_is_that_of_the_steps_written_out(which, first_order):
    """Step k sees the support set with value k, the query set is seen after it with value k."""
    problem, batch = case = omniglot()
    params, inner = drawn(case, first_order, "every")
    meta_gradient = engine(which)(problem, params, batch, inner)
    leaves = {k: v.clone().requires_grad_() for k, v in params.items()}

    def loss(current: Params, norm: int, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        seen = {k: v[norm] if k in inner.per_step else v for k, v in current.items()}
        return F.cross_entropy(functional_call(problem.model, seen, (x,)), y)

    total = torch.zeros((), dtype=torch.float64)
    for sx, sy, qx, qy in zip(
        batch.support_x, batch.support_y, batch.query_x, batch.query_y, strict=True
    ):
        current = dict(leaves)
        total = total + 0.1 * loss(current, 0, qx, qy)
        for step, weight in enumerate((0.2, 0.3, 0.4)):
            names = [k for k in current if k not in inner.frozen]
            inner_gradients = torch.autograd.grad(
                loss(current, step, sx, sy),
                [current[k] for k in names],
                create_graph=not first_order,
            )
            for k, g in zip(names, inner_gradients, strict=True):
                current[k] = current[k] - inner.rate * g
            total = total + weight * loss(current, step, qx, qy)
    wanted = torch.autograd.grad(total / len(batch), list(leaves.values()))
    for (name, gradient), by_hand in zip(meta_gradient.gradients.items(), wanted, strict=True):
        torch.testing.assert_close(gradient, by_hand, rtol=1e-8, atol=1e-12, msg=name)


@pytest.mark.parametrize("which", ENGINES)
def test_equal_values_are_as_good_as_one(which):
    """The same loss, and a gradient whose parts add up to that of the one value."""
    problem, batch = omniglot()
    params, one = start(problem), inner_loop(problem, STEPS, False)
    reference = engine(which)(problem, params, batch, one)
    own = norms(problem)
    same = {k: torch.stack([v] * STEPS) if k in own else v for k, v in params.items()}
    meta_gradient = engine(which)(problem, same, batch, replace(one, per_step=own))
    torch.testing.assert_close(meta_gradient.loss, reference.loss, rtol=1e-12, atol=0)
    for name, gradient in reference.gradients.items():
        parts = meta_gradient.gradients[name]
        assert parts.shape == same[name].shape
        total = parts.sum(0) if name in own else parts
        torch.testing.assert_close(total, gradient, rtol=1e-8, atol=1e-12)


def test_a_memory_budget_gives_the_same():
    """Chunks of tasks, and steps computed again on the way back."""
    problem, batch = case = omniglot()
    params, inner = drawn(case, False, "every")
    whole, parts = (
        engine(e)(problem, params, batch, inner) for e in ("batched:100MB", "batched:900KB")
    )
    assert distance(parts, whole) < 1e-12


def test_adapted_weights_are_those_of_the_loss():
    problem, batch = case = omniglot()
    params, inner = drawn(case, True, "last")
    adapting, fixed = split(params, inner)
    *_, last = adapt(problem, adapting, fixed, batch.support_x, batch.support_y, inner)
    seen = on_query(fixed, inner, STEPS)
    each = [
        problem.on_query({k: v[i] for k, v in last.items()} | seen, *query)
        for i, query in enumerate(zip(batch.query_x, batch.query_y, strict=True))
    ]
    meta_gradient = engine("loop")(problem, params, batch, inner)
    torch.testing.assert_close(torch.stack(each).mean(), meta_gradient.loss)


def mistakes(problem: Problem) -> dict[str, tuple[Params, InnerLoop, str]]:
    params, inner = drawn((problem, omniglot()[1]), False, "last")
    short = {k: v[:2] if k in inner.per_step else v for k, v in params.items()}
    return {
        "adapts": (
            params,
            replace(inner, frozen=frozenset()),
            r"found 'norms.*, wanted names that",
        ),
        "short": (short, inner, r"of shape \(2, 12\) with 3 steps, wanted one step or more and a"),
        "no steps": (params, replace(inner, steps=0), r"of shape \(3, 12\) with 0 steps, wanted"),
    }


@pytest.mark.parametrize("mistake", ["adapts", "short", "no steps"])
@pytest.mark.parametrize("which", ENGINES)
def test_wrong_values_are_one_sentence(which, mistake):
    problem, batch = omniglot()
    params, inner, sentence = mistakes(problem)[mistake]
    with pytest.raises(HarnessError, match=sentence):
        engine(which)(problem, params, batch, inner)
