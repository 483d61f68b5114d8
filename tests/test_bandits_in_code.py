"""The code of pages on bandits: `tests/test_method_in_code.py` goes on here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch.testing import assert_close

from harness.paper_tests.smoke_plans import smoke_method
from tests.test_method_in_code import code


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    """Compute in float64, from one seed."""
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def test_abml() -> None:
    from replications.abml.tasks import regret

    _, tasks = smoke_method("abml/delta-070-2000", "uniform")
    batch = tasks.batch("val", 0, 1)
    averages, arms = batch.averages(), batch.arms
    told = code("abml")(batch.contexts[0], arms[0], batch.deltas[0], *batch.pays[0])
    assert_close(told[0], averages[0])
    assert_close(told[1], regret(batch, averages, arms)[0], rtol=1e-9, atol=0)
