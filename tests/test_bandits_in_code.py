"""The code of pages on bandits: `tests/test_method_in_code.py` goes on here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from harness.paper_tests.smoke_plans import smoke_method
from replications.abml.network import SD, forward
from tests.method_in_code import code


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    """Compute in float64, from one seed."""
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def test_abml() -> None:
    small = {"tasks.support": 40, "tasks.query": 10}
    method, tasks = smoke_method("abml/delta-070-2000", "abml", small, method__hidden=[6])
    batch, s = tasks.batch("val", 0, 1), method.settings
    (x, y), arms = method.scaled(batch), batch.arms
    draws = [torch.randn(1, n, method.units) for n in (*[40] * s.inner_steps, 50)]
    names = [name for name in method.start if not name.startswith(SD)]
    rows = [[method.start[of + name].flatten() for name in names] for of in ("", SD)]
    prior = torch.stack([torch.cat(row) for row in rows])
    coming = iter(draws)

    def error(belief: Tensor, points: range) -> Tensor:
        params, at = {}, 0
        for name in names:
            shape = method.start[name].shape
            for of, row in zip(("", SD), belief, strict=True):
                params[of + name] = row[at : at + shape.numel()].view(1, *shape)
            at += shape.numel()
        out = forward(params, x[:, points], next(coming))[0]
        errors: Tensor = (y[0, points] - out[points, arms[0, points]]).square()
        return errors.mean()

    settings = (s.inner_steps, s.inner_rate, s.likelihood_sd, s.hyper_shape, s.hyper_rate)
    told = code("abml")(prior, error, range(40), range(50), *settings)
    again = iter(draws)
    wanted = method.meta_loss(batch, lambda points: next(again))
    assert_close(told, wanted)
    start = list(method.start.values())
    assert_close(torch.autograd.grad(told, start), torch.autograd.grad(wanted, start))
