"""All contenders do the same work: in float64 they give the same gradients and outputs."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch

from harness.meta_gradient.loop import meta_gradient as reference
from harness.meta_gradient.problem import InnerLoop
from tests.bench.meta_gradient_cases import CASES
from tests.bench.plain_maml import query_outputs
from tests.bench.rivals import meta_gradients

SECOND_ORDER = [case for case, about in CASES.items() if not about.first_order]


@pytest.mark.parametrize(
    ("rival", "case"),
    [*(("plain loop", case) for case in CASES), *(("torchopt", case) for case in SECOND_ORDER)],
)
def test_a_rivals_meta_gradient_is_ours(rival, case):
    if rival == "torchopt":
        pytest.importorskip("torchopt")
    problem, params, batch, inner = CASES[case].build(small=True)
    rivals, _ = meta_gradients(inner.first_order)
    wanted = reference(problem, params, batch, inner)
    for _ in range(2):  # the second call finds the module as the first left it
        meta_gradient = rivals[rival](problem, params, batch, inner)
        torch.testing.assert_close(meta_gradient.loss, wanted.loss, rtol=1e-12, atol=0)
        assert meta_gradient.gradients.keys() == wanted.gradients.keys()
        scale = max(float(g.abs().max()) for g in wanted.gradients.values())
        for name, gradient in wanted.gradients.items():
            torch.testing.assert_close(
                meta_gradient.gradients[name], gradient, rtol=0, atol=1e-9 * scale
            )


@pytest.mark.parametrize("rival", ["torchopt", "higher"])
@pytest.mark.parametrize("case", ["omniglot-second-order-5-steps", "sinusoid-second-order-1-step"])
def test_a_rivals_evaluation_is_the_plain_one(rival, case):
    pytest.importorskip(rival)
    module = import_module(f"tests.bench.{rival}_maml")
    problem, params, batch, inner = CASES[case].build(small=True)
    test_inner = InnerLoop(3, inner.rate, True, inner.frozen)
    wanted = query_outputs(problem, params, batch, test_inner)
    assert wanted.shape == (4, len(batch), *batch.query_x.shape[1:2], wanted.shape[-1])
    outputs = module.query_outputs(problem, params, batch, test_inner)
    torch.testing.assert_close(outputs, wanted, rtol=1e-9, atol=1e-12)
    assert float((wanted[3] - wanted[0]).abs().max()) > 1e-3  # it does adapt
