from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from harness.errors import HarnessError
from harness.paper_tests.convnets import assert_glorot_uniform, images, shift_parameters
from replications.maml_plus_plus.network import LeakyPoolConv4


def network(filters: int = 4, size: int = 28, ways: int = 3, channels: int = 3) -> LeakyPoolConv4:
    return LeakyPoolConv4(channels, filters, size, ways, torch.Generator().manual_seed(0))


def test_sizes_are_the_configurations():
    net, sizes = network(filters=48, size=84, ways=5), []
    for conv in net.convolutions:
        conv.register_forward_hook(lambda m, given, out: sizes.append(tuple(out.shape[1:])))
    assert net(images(84)).shape == (2, 5)
    assert sizes == [(48, 84, 84), (48, 42, 42), (48, 21, 21), (48, 10, 10)]
    assert net.head.weight.shape == (5, 48 * 5 * 5)
    # Four convolutions with bias, four scales and offsets of batch norms, the head.
    expected = (27 * 48 + 48) + 3 * (9 * 48 * 48 + 48) + 8 * 48 + (1200 * 5 + 5)
    assert sum(p.numel() for p in net.parameters()) == expected


def test_it_computes_what_the_authors_wrote():
    """Convolution, batch norm (ε 1e-5) by the batch, leaky ReLU 0.01, and only then the pool."""
    net = network().double()
    shift_parameters(net)
    x = given = images(28, count=3).double()
    for conv, norm in zip(net.convolutions, net.norms, strict=True):
        x = F.conv2d(x, conv.weight, conv.bias, stride=1, padding=1)
        mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
        x = (x - mean) / (var + 1e-5).sqrt() * norm.weight[:, None, None]
        x = F.leaky_relu(x + norm.bias[:, None, None], 0.01)
        x = F.max_pool2d(x, 2, 2)
    expected = x.flatten(1) @ net.head.weight.T + net.head.bias
    torch.testing.assert_close(net(given), expected, rtol=1e-10, atol=1e-12)


def test_the_start_is_glorot_uniform():
    net = network(filters=48, size=84, ways=5)
    fans = [(27, 432), (432, 432), (432, 432), (432, 432), (1200, 5)]
    for layer, (fan_in, fan_out) in zip([*net.convolutions, net.head], fans, strict=True):
        assert_glorot_uniform(layer.weight.detach(), fan_in, fan_out)
        assert torch.equal(layer.bias, torch.zeros_like(layer.bias))
    assert all(torch.equal(n.bias, torch.zeros(48)) for n in net.norms)
    assert all(torch.equal(n.weight, torch.ones(48)) for n in net.norms)


def test_wrong_images_are_one_sentence():
    assert network(size=16).head.in_features == 4
    with pytest.raises(HarnessError, match="found images of 15 pixels a side, wanted 16 or more"):
        network(size=15)
    with pytest.raises(HarnessError, match=r"found images of shape .*, wanted \(3, 28, 28\)"):
        network()(torch.zeros(2, 1, 28, 28))
