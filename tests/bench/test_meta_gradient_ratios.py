"""One meta-gradient: every engine, TorchOpt, `higher` and a plain loop on the same tasks."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from harness.meta_gradient.engines import DEFAULT
from tests.bench.floor import operations
from tests.bench.meta_gradient_cases import CASES
from tests.bench.rivals import meta_gradients


@pytest.mark.parametrize("case", CASES)
def test_meta_gradient(case, device, compare):
    about = CASES[case]
    problem, params, batch, inner = about.build(device=device)
    rivals, left_out = meta_gradients(inner.first_order)
    losses = {}

    def work(name):
        own = replace(problem, model=deepcopy(problem.model))

        def run():
            losses[name] = rivals[name](own, params, batch, inner).loss

        return run

    comparison = compare(
        f"meta-gradient-{case}",
        f"meta-gradient: {about.title}",
        {name: work(name) for name in rivals},
        reference=DEFAULT,
        device=device,
        operations=operations(problem, params, batch, inner),
        left_out=left_out,
    )
    # Loose: in float32 right gradients part after some steps. tests/bench/test_rivals.py is exact.
    for name in rivals:
        torch.testing.assert_close(losses[name], losses["loop"], rtol=0.02, atol=0, msg=name)
    assert comparison.timings.rounds >= 5
    # Nobody is faster than its products. (cuDNN may be: it has other ways to convolve.)
    assert device != "cpu" or all(comparison.share_of_floor(name) < 1 for name in rivals)
