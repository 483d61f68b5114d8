"""Sets normalised together are what each would be alone."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from harness.models.set_statistics import SetStatistics, apart, by_set, interleaved


@pytest.mark.parametrize("scaled", [False, True])
def test_each_set_is_normalised_alone(scaled):
    g = torch.Generator().manual_seed(0)
    images = torch.randn(3, 4, 2, 5, 5, generator=g, dtype=torch.float64)
    images = images * torch.tensor([1.0, 10.0, 0.1]).view(3, 1, 1, 1, 1) + 7
    norm = SetStatistics(2, 1e-3, scaled).double()
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.normal_(generator=g)
    weight = torch.randn(images.shape, generator=g, dtype=torch.float64)
    together = by_set(apart(norm(interleaved(images), 3), 3), 3)
    (together * weight).sum().backward()
    gradients = [p.grad.clone() for p in norm.parameters()]
    norm.zero_grad()
    alone = torch.stack(
        [
            F.batch_norm(s, None, None, norm.scale, norm.offset, training=True, eps=1e-3)
            for s in images
        ]
    )
    torch.testing.assert_close(together, alone)
    (alone * weight).sum().backward()
    torch.testing.assert_close(gradients, [p.grad for p in norm.parameters()])


def test_by_hand_with_the_biased_variance():
    norm = SetStatistics(1, 1.0, scaled=False).double()
    # Set 0 holds 1 and 5: mean 3, variance 4; set 1 holds 2 and 2: variance 0.
    rows = torch.tensor([1.0, 2.0, 5.0, 2.0], dtype=torch.float64).view(4, 1, 1, 1)
    wanted = torch.tensor([-2 / 5**0.5, 0, 2 / 5**0.5, 0], dtype=torch.float64)
    torch.testing.assert_close(norm(rows, 2).flatten().detach(), wanted)


def test_interleaving_is_undone():
    images = torch.arange(24).view(3, 2, 4)
    rows = interleaved(images)
    assert rows[:3].tolist() == images[:, 0].tolist()
    assert torch.equal(by_set(rows, 3), images)
