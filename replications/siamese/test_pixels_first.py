from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from replications.siamese.pixels_first import max_pool, one_channel_convolution


def test_one_channel_is_the_librarys_convolution() -> None:
    torch.manual_seed(0)
    x = torch.rand(9, 9, 3, dtype=torch.float64)
    weight = torch.randn(4, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    convolved = one_channel_convolution(x, weight)
    wanted = F.conv2d(x.permute(2, 0, 1).unsqueeze(1), weight).permute(2, 3, 0, 1)
    torch.testing.assert_close(convolved, wanted)
    arrived = torch.randn_like(convolved)
    a, b = (torch.autograd.grad(y, weight, arrived) for y in (convolved, wanted))
    torch.testing.assert_close(a, b)


def test_images_that_do_not_lie_pixels_first_are_laid_so() -> None:
    x = torch.rand(2, 6, 6)
    weight = torch.randn(1, 1, 3, 3)
    convolved = one_channel_convolution(x.permute(1, 2, 0), weight)
    wanted = F.conv2d(x.unsqueeze(1), weight).permute(2, 3, 0, 1)
    torch.testing.assert_close(convolved, wanted)


@pytest.mark.parametrize("shape", [(6, 4, 2, 3), (7, 5, 1, 2)])
def test_pooling_is_the_librarys_and_so_is_who_wins_a_tie(shape: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    # Few values: nearly every square has a tie.
    x = torch.randint(0, 3, shape).double().requires_grad_()

    def library(y: Tensor) -> Tensor:
        return F.max_pool2d(y.permute(2, 3, 0, 1), 2).permute(2, 3, 0, 1)

    pooled, wanted = max_pool(x), library(x)
    assert torch.equal(pooled, wanted)
    arrived = torch.randn_like(pooled)
    a, b = (torch.autograd.grad(y, x, arrived)[0] for y in (pooled, wanted))
    assert torch.equal(a, b)
