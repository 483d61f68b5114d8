from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from harness.errors import HarnessError
from tests.models.small_resnet import SmallResNet


def network(widths: tuple[int, ...] = (4, 6, 8), ways: int = 5) -> SmallResNet:
    return SmallResNet(3, widths, ways, torch.Generator().manual_seed(0))


def images(size: int, count: int = 4) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("size", "sizes"), [(28, [14, 7, 4]), (84, [42, 21, 11]), (9, [5, 3, 2])])
def test_blocks_halve_the_image(size, sizes):
    net, shapes = network(), []
    for block in net.blocks:
        block.register_forward_hook(lambda m, given, out: shapes.append(tuple(out.shape[1:])))
    assert net(images(size)).shape == (4, 5)
    assert shapes == [(n, s, s) for n, s in zip((4, 6, 8), sizes, strict=True)]


def test_two_paths_add_up():
    """The first block written out: both convolutions, and the 1x1 shortcut beside them."""
    net, x = network().double(), images(9).double()
    block = net.blocks[0]
    with torch.no_grad():
        for i, norm in enumerate((block.first_norm, block.second_norm, block.shortcut_norm)):
            norm.bias.add_(0.1 * (i + 1))  # all start at 0, where one could be missed

    def norm(x: torch.Tensor, offset: float) -> torch.Tensor:
        var, mean = torch.var_mean(x, (0, 2, 3), correction=0, keepdim=True)
        return (x - mean) / (var + 0.001).sqrt() + offset

    long = F.relu(norm(F.conv2d(x, block.first.weight, stride=2, padding=1), 0.1))
    long = norm(F.conv2d(long, block.second.weight, padding=1), 0.2)
    short = norm(F.conv2d(x, block.shortcut.weight, stride=2), 0.3)
    torch.testing.assert_close(block(x), F.relu(long + short), rtol=1e-10, atol=1e-12)


def test_it_is_a_backbone():
    net, x = network(), images(28)
    features = net.features(x)
    assert features.shape == (4, 8)
    assert torch.equal(net(x), net.head(features))
    torch.testing.assert_close(features, net.blocks(x).flatten(2).mean(-1))


def test_the_start_is_he_normal_with_a_glorot_head():
    net = network((32, 64), ways=20)
    for block, inputs in zip(net.blocks, (3, 32), strict=True):
        fans = {"first": 9 * inputs, "second": 9 * block.second.in_channels, "shortcut": inputs}
        for name, fan_in in fans.items():
            weight = getattr(block, name).weight.detach()
            assert float(weight.std()) * math.sqrt(fan_in / 2) == pytest.approx(1, abs=0.15)
            assert getattr(block, name).bias is None
    limit = math.sqrt(6 / (64 + 20))
    assert 0.98 * limit < float(net.head.weight.detach().abs().max()) <= limit
    offsets = [p for k, p in net.named_parameters() if k.endswith("bias")]
    assert len(offsets) == 2 * 3 + 1
    assert not any(p.any() for p in offsets)


def test_the_start_is_the_generators_alone():
    torch.manual_seed(1)
    one = network().state_dict()
    torch.manual_seed(2)
    two = network().state_dict()
    assert all(torch.equal(one[k], two[k]) for k in one)


@pytest.mark.parametrize("shape", [(4, 1, 28, 28), (3, 28, 28), (2, 4, 3, 28, 28)])
def test_images_of_another_shape_are_one_sentence(shape):
    with pytest.raises(HarnessError, match=r"found images of shape .*, wanted \[B, 3, H, W\]"):
        network()(torch.zeros(shape))


def test_no_block_is_one_sentence():
    with pytest.raises(HarnessError, match="found no widths, wanted one for each residual block"):
        network(())
