from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from harness.errors import HarnessError
from harness.paper_tests.convnets import images
from harness.paper_tests.starts import assert_starts
from replications.r2d2.network import RidgeFeatures


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def network(dropout=0.0, scale="uniform", size=20, filters=(3, 4, 5, 6), channels=3):
    return RidgeFeatures(channels, filters, size, 0.2, dropout, scale, generator())


def shifted(net):
    """In float64, with offsets and running statistics that are not those of the start."""
    for i, norm in enumerate(net.double().norms):
        norm.bias.data.uniform_(-0.2, 0.2, generator=generator(i))
        norm.running_mean.uniform_(-0.2, 0.2, generator=generator(10 + i))
        norm.running_var.uniform_(0.5, 2, generator=generator(20 + i))
    return net


def written_out(net, x, dropout):
    """The authors' blocks: convolution, batch norm, pool, leaky ReLU; dropout after 3 and 4."""
    noise, outputs = generator(7), []
    for i, (conv, norm) in enumerate(zip(net.convolutions, net.norms, strict=True)):
        x = F.conv2d(x, conv.weight, conv.bias, stride=1, padding=1)
        mean, var = norm.running_mean, norm.running_var
        if net.training:
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
        x = (x - mean[:, None, None]) / (var[:, None, None] + 1e-5).sqrt()
        x = x * norm.weight[:, None, None] + norm.bias[:, None, None]
        x = F.max_pool2d(x, 2, 2 if i < 3 else 1)
        x = torch.where(x > 0, x, 0.2 * x)
        if i >= 2 and net.training and dropout:
            pixels = torch.full_like(x.movedim(1, -1).contiguous(), 1 - dropout)
            keeps = torch.bernoulli(pixels, generator=noise).movedim(-1, 1)
            x = x * keeps / (1 - dropout)
        outputs.append(x)
    third = F.max_pool2d(outputs[2], 2, 1)
    return torch.cat([third.flatten(1), outputs[3].flatten(1)], 1)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_it_computes_what_the_authors_wrote(training, dropout):
    net = shifted(network(dropout)).train(training)
    x = images(20, count=4).double()
    expected = written_out(net, x, dropout)  # first: a training pass moves the running statistics
    torch.testing.assert_close(net(x, generator(7)), expected, rtol=1e-10, atol=1e-12)


def test_dropout_is_drawn_from_the_given_generator_alone():
    net, x = network(0.4), images(20, count=4)
    once, same, other = (net(x, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(once, same)
    assert not torch.equal(once, other)
    # Block 4: no zeros but those of dropout.
    dropped = (once[:, -6:] == 0).float().mean().item()
    assert 0.1 < dropped < 0.7


@pytest.mark.parametrize("scale", ["one", "uniform"])
def test_the_start_is_torchs(scale):
    net = network(scale=scale, filters=(40, 40, 40, 40))
    for conv, norm, fan_in in zip(net.convolutions, net.norms, (27, 360, 360, 360), strict=True):
        for parameter in conv.parameters():
            largest = parameter.abs().max().item()
            assert 0.8 < largest * fan_in**0.5 <= 1
        if scale == "one":
            assert (norm.weight == 1).all()
        else:
            assert norm.weight.min() < 0.2
            assert 0.8 < norm.weight.max() < 1
        assert (norm.bias == 0).all()


@pytest.mark.parametrize(("size", "wanted"), [(28, 1536 + 2048), (32, 3456 + 4608)])
def test_features_are_as_many_as_in_the_authors_script(size, wanted):
    net = network(size=size, filters=(96, 192, 384, 512), channels=1).eval()
    assert net(torch.rand(1, 1, size, size), generator()).shape == (1, wanted)


def test_what_does_not_fit_is_one_sentence():
    with pytest.raises(HarnessError, match="found 3 filter counts and images of 20 pixels"):
        network(filters=(4, 4, 4))
    with pytest.raises(HarnessError, match="found 4 filter counts and images of 15 pixels"):
        network(size=15)
    with pytest.raises(HarnessError, match=r"found dropout 1\.0, wanted"):
        network(1.0)


def test_scales_start_at_one_from_torch_1_2_on():
    net = RidgeFeatures(1, (4, 4, 4, 4), 16, 0.1, 0.0, "one", torch.Generator())
    scales = {k: v for k, v in net.state_dict().items() if "norm" in k and "weight" in k}
    assert len(scales) == 4
    assert_starts(scales, {"*": 1})
