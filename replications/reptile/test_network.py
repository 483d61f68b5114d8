from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from harness.errors import HarnessError
from harness.paper_tests.convnets import assert_glorot_uniform, images, shift_parameters
from replications.reptile.network import AffineConv4, Shrink

OMNIGLOT, MINI = (1, 64, "stride", 28, 5), (3, 32, "max-pool", 84, 5)


def network(
    channels: int = 3, filters: int = 4, shrink: Shrink = "stride", size: int = 28, ways: int = 3
) -> AffineConv4:
    return AffineConv4(channels, filters, shrink, size, ways, torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("settings", "last"), [(OMNIGLOT, 2), (MINI, 6)])
def test_sizes_are_the_authors(settings, last):
    channels, filters, _, size, ways = settings
    net = network(*settings)
    assert net(images(size, channels=channels)).shape == (2, ways)
    features = filters * last**2
    assert net.head.weight.shape == (ways, features)
    # Four convolutions without bias, four scales and offsets, the head.
    expected = 9 * channels * filters + 3 * 9 * filters**2 + 8 * filters + (features + 1) * ways
    assert sum(p.numel() for p in net.parameters()) == expected


# 28 pixels by stride and 84 by pools come by odd sizes (7; 21 and 11), 26 and 27 start otherwise.
@pytest.mark.parametrize("size", [26, 27, 28, 84])
@pytest.mark.parametrize("shrink", ["stride", "max-pool"])
def test_it_computes_what_the_authors_wrote(shrink, size):
    """In float64: 'SAME' convolution, batch norm (ε 0.001), ReLU, and then the 'SAME' pool.

    A convolution of stride 2 is each second entry of one of stride 1, from the second entry on
    where the size is even: TensorFlow pads after, and not before.
    """
    net = network(shrink=shrink, size=size).double()
    shift_parameters(net)
    x = given = images(size, count=3).double()
    for conv, norm in zip(net.convolutions, net.norms, strict=True):
        x = F.conv2d(x, conv.weight, padding=1)
        if shrink == "stride":
            first = 1 - x.shape[-1] % 2
            x = x[..., first::2, first::2]
        mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
        x = (x - mean) / (var + 0.001).sqrt() * norm.weight[:, None, None]
        x = F.relu(x + norm.bias[:, None, None])
        if shrink == "max-pool":
            x = F.max_pool2d(x, 2, ceil_mode=True)
    expected = x.flatten(1) @ net.head.weight.T + net.head.bias
    torch.testing.assert_close(net(given), expected, rtol=1e-10, atol=1e-12)


def test_the_start_is_glorot_uniform():
    net = network(*MINI)
    fans = [(27, 288), (288, 288), (288, 288), (288, 288), (1152, 5)]
    for layer, (fan_in, fan_out) in zip([*net.convolutions, net.head], fans, strict=True):
        assert_glorot_uniform(layer.weight.detach(), fan_in, fan_out)
    assert torch.equal(net.head.bias, torch.zeros(5))
    assert all(torch.equal(n.weight, torch.ones(32)) for n in net.norms)
    assert all(torch.equal(n.bias, torch.zeros(32)) for n in net.norms)


def test_the_start_is_the_generators_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = network().state_dict()
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    two = network().state_dict()
    assert all(torch.equal(one[k], two[k]) for k in one)
    other = AffineConv4(3, 4, "stride", 28, 3, torch.Generator().manual_seed(9)).state_dict()
    assert not torch.equal(one["head.weight"], other["head.weight"])


@pytest.mark.parametrize("shape", [(2, 3, 32, 32), (2, 1, 28, 28), (3, 28, 28), (2, 3, 28, 84)])
def test_images_of_another_shape_are_one_sentence(shape):
    with pytest.raises(HarnessError, match=r"found images of shape .*, wanted \(3, 28, 28\)"):
        network()(torch.zeros(shape))


def test_images_that_would_only_happen_to_fit_are_refused():
    assert network(size=26).head.weight.shape == network(size=28).head.weight.shape
    with pytest.raises(HarnessError) as refused:
        network(size=28)(torch.zeros(2, 3, 26, 26))
    assert str(refused.value) == (
        "AffineConv4: found images of shape (3, 26, 26), wanted (3, 28, 28) "
        "(channels, height, width), for which it was made."
    )
