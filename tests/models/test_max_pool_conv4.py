from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from harness.errors import HarnessError
from harness.models.max_pool_conv4 import MaxPoolConv4
from harness.paper_tests.convnets import assert_glorot_uniform, images, shift_parameters


def network(filters: int = 4, size: int = 28, ways: int = 3, channels: int = 3) -> MaxPoolConv4:
    return MaxPoolConv4(channels, filters, size, ways, torch.Generator().manual_seed(0))


def test_sizes_are_the_papers():
    net, sizes = network(filters=32, size=84, ways=5), []
    for conv in net.convolutions:
        conv.register_forward_hook(lambda m, given, out: sizes.append(tuple(out.shape[1:])))
    assert net(images(84)).shape == (2, 5)
    assert sizes == [(32, 84, 84), (32, 42, 42), (32, 21, 21), (32, 10, 10)]
    assert net.head.weight.shape == (5, 800)
    # Four convolutions with bias, four offsets of batch norms, the head.
    expected = (27 * 32 + 32) + 3 * (9 * 32 * 32 + 32) + 4 * 32 + (800 * 5 + 5)
    assert sum(p.numel() for p in net.parameters()) == expected


def test_it_computes_what_the_authors_wrote():
    """Their conv_block: convolution, batch norm without scale (ε 0.001), ReLU, then the pool."""
    net = network().double()
    shift_parameters(net)
    x = given = images(28, count=3).double()
    for conv, norm in zip(net.convolutions, net.norms, strict=True):
        x = F.conv2d(x, conv.weight, conv.bias, stride=1, padding=1)
        mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
        x = (x - mean) / (var + 0.001).sqrt() + norm.bias[:, None, None]
        x = F.max_pool2d(F.relu(x), 2, 2)
    expected = x.flatten(1) @ net.head.weight.T + net.head.bias
    torch.testing.assert_close(net(given), expected, rtol=1e-10, atol=1e-12)


def test_gradients_are_those_of_the_authors_order():
    """Pooling before the ReLU changes no gradient, though windows without a positive entry tie."""
    normed = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)) - 0.7
    gradients = []
    for order in (lambda x: F.relu(F.max_pool2d(x, 2)), lambda x: F.max_pool2d(F.relu(x), 2)):
        x = normed.clone().requires_grad_()
        order(x).square().sum().backward()
        assert x.grad is not None
        gradients.append(x.grad)
    assert torch.equal(*gradients)
    assert int(gradients[0].count_nonzero()) < normed.numel() // 4  # some windows are dead


def test_the_start_is_glorot_uniform():
    net = network(filters=32, size=84, ways=5)
    layers = [*net.convolutions, net.head]
    fans = [(27, 288), (288, 288), (288, 288), (288, 288), (800, 5)]
    for layer, (fan_in, fan_out) in zip(layers, fans, strict=True):
        assert_glorot_uniform(layer.weight.detach(), fan_in, fan_out)
        assert torch.equal(layer.bias, torch.zeros_like(layer.bias))
    assert all(torch.equal(n.bias, torch.zeros(32)) for n in net.norms)


def test_the_start_is_the_generators_alone():
    torch.manual_seed(1)
    one = network().state_dict()
    torch.manual_seed(2)
    two = network().state_dict()
    assert all(torch.equal(one[k], two[k]) for k in one)
    other = MaxPoolConv4(3, 4, 28, 3, torch.Generator().manual_seed(9)).state_dict()
    assert not torch.equal(one["head.weight"], other["head.weight"])


def test_too_small_images_are_one_sentence():
    assert network(size=16).head.in_features == 4
    with pytest.raises(HarnessError, match="found images of 15 pixels a side, wanted 16 or more"):
        network(size=15)


@pytest.mark.parametrize("shape", [(2, 3, 32, 32), (2, 1, 28, 28), (3, 28, 28), (2, 3, 28, 84)])
def test_images_of_another_shape_are_one_sentence(shape):
    # 32 pixels leave a second feature a channel: the head would fail with a matrix's shape.
    with pytest.raises(HarnessError, match=r"found images of shape .*, wanted \(3, 28, 28\)"):
        network()(torch.zeros(shape))
