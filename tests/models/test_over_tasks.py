from __future__ import annotations

import pytest
import torch
from torch.func import functional_call, grad
from torch.nn import functional as F

from harness.models import over_tasks as module
from harness.models.max_pool_conv4 import MaxPoolConv4
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

    gradients = over_tasks(grad(energy), x, (0, None, 0))(w, shared, x)
    expected = 2 * torch.einsum("tsk,tsl,tl->tk", x, x, w) + shared
    torch.testing.assert_close(gradients, expected)
    # As many calls as there are parts: each sees all of its tasks at once.
    assert len(seen) == {0.5: 5, 1: 5, 2: 3, 100: 1}[room_for]


@pytest.mark.parametrize("differentiate", [False, True])
def test_large_images_alone_give_what_all_together_do(differentiate, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    model = MaxPoolConv4(3, 4, 16, 5, generator).double()
    start = {k: v.detach() for k, v in model.named_parameters()}
    own = {k: torch.stack([v, 2 * v, v + 1]) for k, v in start.items() if k.startswith("conv")}
    shared = {k: v for k, v in start.items() if k not in own}
    x = torch.randn(3, 6, 3, 16, 16, generator=generator, dtype=torch.float64)
    y = torch.arange(6).remainder(5).expand(3, 6)
    seen = []

    def loss(own, shared, x, y):
        seen.append(x.stride())
        return F.cross_entropy(functional_call(model, own | shared, (x,)), y)

    function = grad(loss) if differentiate else loss
    monkeypatch.setattr(module, "ALONE_BYTES", x[0].nbytes + 1)
    together = over_tasks(function, x, (0, None, 0, 0))(own, shared, x, y)
    assert len(seen) == 1
    monkeypatch.setattr(module, "ALONE_BYTES", x[0].nbytes)
    seen.clear()
    alone = over_tasks(function, x, (0, None, 0, 0))(own, shared, x, y)
    assert seen == [(16 * 16 * 3, 1, 16 * 3, 3)] * 3
    torch.testing.assert_close(alone, together)


def test_what_is_worked_on_alone_can_be_differentiated(monkeypatch):
    monkeypatch.setattr(module, "ALONE_BYTES", 0)
    x = torch.rand(2, 3, 2, 4, 4, dtype=torch.float64)
    w = torch.rand(2, dtype=torch.float64, requires_grad=True)
    over_tasks(lambda w, x: (w * x).square().sum(), x)(w, x).sum().backward()
    torch.testing.assert_close(w.grad, 2 * w.detach() * x.square().sum((1, 2, 3, 4)))


def test_only_a_processor_has_parts(monkeypatch):
    monkeypatch.setattr(module, "INPUT_BYTES", 1)
    seen = []

    def double(x):
        seen.append(x.device.type)
        return 2 * x

    assert over_tasks(double, torch.ones(5, 2, device="meta"))(torch.ones(5, 2)).shape == (5, 2)
    assert len(seen) == 1
