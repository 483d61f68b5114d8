from __future__ import annotations

import pytest
import torch
from torch.func import grad

from harness.models import over_tasks as module
from harness.models.over_tasks import over_tasks


@pytest.mark.parametrize("room_for", [0.5, 1, 2, 100])
def test_parts_change_nothing(room_for, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, 3, 4, generator=generator, dtype=torch.float64)
    w, shared = torch.randn(5, 4, generator=generator, dtype=torch.float64), torch.randn(4)
    monkeypatch.setattr(module, "INPUT_BYTES", int(room_for * x[0].nbytes))
    seen = []

    def energy(w, shared, x):
        seen.append(1)
        return (x @ w).square().sum() + (w * shared).sum()

    found = over_tasks(grad(energy), x, (0, None, 0))(w, shared, x)
    expected = 2 * torch.einsum("tsk,tsl,tl->tk", x, x, w) + shared
    torch.testing.assert_close(found, expected)
    # As many calls as there are parts: each sees all of its tasks at once.
    assert len(seen) == {0.5: 5, 1: 5, 2: 3, 100: 1}[room_for]


def test_only_a_processor_has_parts(monkeypatch):
    monkeypatch.setattr(module, "INPUT_BYTES", 1)
    seen = []

    def double(x):
        seen.append(x.device.type)
        return 2 * x

    assert over_tasks(double, torch.ones(5, 2, device="meta"))(torch.ones(5, 2)).shape == (5, 2)
    assert len(seen) == 1
