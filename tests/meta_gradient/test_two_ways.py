"""Large and small tasks are computed in two ways: both give one result, at any size."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from harness.meta_gradient.batched.engine.engine import Batched
from harness.meta_gradient.batched.rules import batch_norm_standardised as standardised
from harness.meta_gradient.batched.rules import convolution
from harness.meta_gradient.batched.rules.batch_norm_standardised import Standardised
from harness.meta_gradient.batched.rules.geometry import Geometry, pack_kernel
from harness.meta_gradient.batched.rules.planes import Planes
from harness.meta_gradient.batched.rules.rule import Wanted
from harness.meta_gradient.batched.rules.windows import Windows
from tests.meta_gradient.problems import PROBLEMS, distance, inner_loop, start

NEVER = 2**62
GEOMETRIES = [
    Geometry((3, 3), (1, 1), (1, 1, 1, 1)),
    Geometry((3, 3), (2, 2), (1, 1, 1, 1)),
    Geometry((3, 3), (2, 2), (0, 1, 0, 1)),  # as TensorFlow pads
    Geometry((2, 4), (1, 3), (2, 1, 0, 0)),
    Geometry((1, 1), (2, 2), (0, 0, 0, 0)),  # a kernel smaller than its stride
]


@pytest.mark.parametrize("order", ["second", "first"])
@pytest.mark.parametrize("name", ["omniglot-conv4", "pooled-conv4", "resnet"])
def test_both_ways_give_one_meta_gradient(name, order, monkeypatch):
    problem, batch = PROBLEMS[name]()
    meta_gradients = []
    for threshold in (1, NEVER):
        monkeypatch.setattr(convolution, "PLANES_FROM_BYTES", threshold)
        monkeypatch.setattr(standardised, "NATIVE_FROM_BYTES", threshold)
        inner = inner_loop(problem, 2, order == "first")
        meta_gradients.append(Batched()(problem, start(problem), batch, inner))
    assert distance(*meta_gradients) < 1e-9
    # Else the thresholds would have decided nothing.
    assert distance(*meta_gradients) > 0


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("way", [Windows, Planes])
def test_the_products_of_a_convolution_are_torchs(way, geometry, shared):
    """Forward and both derivatives, against autograd through a convolution per task."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    x, kernels = normal(3, 2, 7, 8, 4), normal(3, 5, 4, *geometry.kernel)
    if shared:
        kernels = kernels[:1].expand(3, -1, -1, -1, -1)
    x.requires_grad_()
    kernels = kernels.clone().requires_grad_()
    planes = [F.pad(one.permute(0, 3, 1, 2), geometry.sides) for one in x]
    y = torch.stack(
        [
            F.conv2d(one, kernel, stride=geometry.stride).permute(0, 2, 3, 1)
            for one, kernel in zip(planes, kernels, strict=True)
        ]
    )
    g = normal(*y.shape)
    by_x, by_kernel = torch.autograd.grad(y, (x, kernels), g)

    images = way.of(geometry, x.detach())
    packed = torch.stack([pack_kernel(k) for k in kernels.detach()])
    w = packed[0] if shared else packed
    flat = g.flatten(1, 3)
    torch.testing.assert_close(images.times(w), y.detach().flatten(1, 3))
    torch.testing.assert_close(images.add_times(images.times(w), w), 2 * y.detach().flatten(1, 3))
    torch.testing.assert_close(images.back([(flat, w)]), by_x)
    torch.testing.assert_close(images.back([(flat, w), (flat, w)]), 2 * by_x)
    expected = torch.stack([pack_kernel(k) for k in by_kernel])
    torch.testing.assert_close(images.across(flat, False), expected)
    torch.testing.assert_close(images.across(flat, True), expected.sum(0))
    for summed in (True, False):
        once = images.across(flat, summed)
        torch.testing.assert_close(images.add_across(once.clone(), flat), 2 * once)


@pytest.mark.parametrize("parameters", ["none", "shared", "per task"])
@pytest.mark.parametrize("threshold", [1, NEVER])
def test_standardised_examples_are_torchs_batch_norm(threshold, parameters, monkeypatch):
    monkeypatch.setattr(standardised, "NATIVE_FROM_BYTES", threshold)
    generator = torch.Generator().manual_seed(0)
    x, g = torch.randn(2, 3, 11, 4, generator=generator, dtype=torch.float64)
    x = torch.stack([x, x.flip(0)]).flatten(0, 1).requires_grad_()  # [T, P, C]
    g = torch.stack([g, g]).flatten(0, 1)
    scale = offset = None
    if parameters != "none":
        both = torch.randn(2, len(x), 4, generator=generator, dtype=torch.float64)
        scale, offset = both[:, 0] if parameters == "shared" else both
    expected = torch.stack(
        [
            F.batch_norm(
                one,
                None,
                None,
                scale if parameters != "per task" else scale[t],
                offset if parameters != "per task" else offset[t],
                training=True,
            )
            for t, one in enumerate(x)
        ]
    )
    (by_x,) = torch.autograd.grad(expected, x, g)
    y, kept = Standardised.of(x.detach(), 1e-5, scale, offset)
    torch.testing.assert_close(y, expected.detach())
    back, (by_scale, by_offset) = kept.back(g, scale, Wanted([True, True], [], True))
    torch.testing.assert_close(back, by_x)
    z = (x - x.mean(1, keepdim=True)) / (x.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(by_scale, (g * z).sum(1).detach())
    torch.testing.assert_close(by_offset, g.sum(1))
    torch.testing.assert_close(kept.z, z.detach())
    torch.testing.assert_close(kept.project(g)[0], torch.autograd.grad(z, x, g)[0])
