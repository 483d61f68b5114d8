"""The first convolution and its batch norm as one layer: the same gradients, in all its forms."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from harness.meta_gradient.batched.engine.engine import Batched, passes
from harness.meta_gradient.batched.rules import convolution
from harness.meta_gradient.batched.rules.batch_norm import BatchNorm
from harness.meta_gradient.batched.rules.convolution import Convolution
from harness.meta_gradient.batched.rules.first_layer import FirstLayer
from harness.meta_gradient.batched.rules.geometry import Geometry, pack_kernel
from harness.meta_gradient.engines import engine
from harness.meta_gradient.problem import InnerLoop, Problem
from harness.tasks.batch import SupervisedBatch
from tests.meta_gradient.problems import distance, start

orders = pytest.mark.parametrize("first_order", [False, True], ids=["second", "first"])
FORMS = {  # bias of the convolution, scale and offset of the norm
    "plain": (False, False),
    "bias": (True, False),
    "affine": (False, True),
    "bias-affine": (True, True),
}


class Net(nn.Module):
    """A convolution of 9 entries a window with 11 filters, its batch norm, ReLU, linear."""

    def __init__(self, bias: bool, affine: bool, channels: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, 11, 3, stride=2, padding=1, bias=bias)
        self.norm = nn.BatchNorm2d(11, affine=affine, track_running_stats=False)
        self.last = nn.Linear(11 * 16, 3)

    def forward(self, x):
        return self.last(F.relu(self.norm(self.first(x))).flatten(1))


def case(bias, affine, channels=1):
    torch.manual_seed(0)
    model = Net(bias, affine, channels).double()
    if affine:
        nn.init.normal_(model.norm.weight)
        nn.init.normal_(model.norm.bias)
    x = torch.rand(4, 6, channels, 8, 8, dtype=torch.float64)
    y = torch.arange(3).expand(4, 3)
    batch = SupervisedBatch(x[:, :3], y, x[:, 3:], y)
    return Problem(model, F.cross_entropy, F.cross_entropy), batch


def rules(problem, batch):
    return [type(n.rule) for n in passes(problem, batch.support_x[0]).graph.nodes]


@orders
@pytest.mark.parametrize("frozen", ["nothing", "norm", "first", "first.weight"])
@pytest.mark.parametrize("form", FORMS)
def test_agrees_with_higher(form, frozen, first_order):
    problem, batch = case(*FORMS[form])
    names = frozenset(k for k in start(problem) if k.startswith(frozen))
    inner = InnerLoop(2, 0.1, first_order, names)
    reference, batched = (
        engine(e)(problem, start(problem), batch, inner) for e in ("higher", "batched")
    )
    assert rules(problem, batch)[0] is FirstLayer
    assert distance(batched, reference) < 1e-9


@orders
def test_is_the_two_layers(first_order, monkeypatch):
    """A learned rate for each weight, a loss after each step; apart where windows are large."""
    problem, batch = case(True, True)
    inner = replace(InnerLoop(2, 0.1, first_order), query_weights=(0.2, 0.3, 0.5))
    rates = {k: torch.rand(2, *v.shape, dtype=torch.float64) for k, v in start(problem).items()}
    one = Batched()(problem, start(problem), batch, inner, rates)
    assert FirstLayer in rules(problem, batch)
    monkeypatch.setattr(convolution, "PLANES_FROM_BYTES", 1)
    assert FirstLayer not in rules(problem, batch)
    two = Batched()(problem, start(problem), batch, inner, rates)
    assert 0 < distance(one, two) < 1e-9


@pytest.mark.parametrize(
    ("channels", "why"), [(2, "18 entries a window, 11 filters"), (1, "the input comes second")]
)
def test_layers_stay_apart(channels, why):
    problem, batch = case(True, True, channels)
    if channels == 1:
        problem = replace(problem, model=nn.Sequential(nn.ReLU(), problem.model))
    assert FirstLayer not in rules(problem, batch), why


def test_two_readers_of_the_convolution_keep_it():
    class Both(Net):
        def forward(self, x):
            y = self.first(x)
            return self.last(F.relu(self.norm(y) + y).flatten(1))

    problem, batch = case(True, True)
    problem = replace(problem, model=Both(True, True).double())
    assert rules(problem, batch)[:2] == [Convolution, BatchNorm]


def test_single_precision_keeps_its_digits_where_windows_hardly_vary():
    """A kernel that sees only the small difference of two pixels: its variance, from a covariance
    in float32, would be lost in that of the pixels themselves."""
    generator = torch.Generator().manual_seed(0)
    common = torch.randn(2, 3, 8, 8, 1, generator=generator, dtype=torch.float64)
    image = torch.cat([common, common + 1e-4 * torch.randn_like(common)], -1)
    kernel = torch.zeros(12, 2, 1, 1, dtype=torch.float64)
    kernel[:, 0], kernel[:, 1] = 1, -1
    layer = FirstLayer(
        Convolution(Geometry((1, 1), (1, 1), (0, 0, 0, 0)), False, True),
        BatchNorm(1e-12, False, False),
    )
    exact, _ = layer.forward([image], [pack_kernel(kernel)])
    single, _ = layer.forward([image.float()], [pack_kernel(kernel).float()])
    y = image.float().double()[..., :1] - image.float().double()[..., 1:]
    std = y.std((1, 2, 3, 4), correction=0).view(-1, 1, 1, 1, 1)
    assert (exact.std((1, 2, 3), correction=0) - 1).abs().max() < 1e-3
    # What is left is the rounding of the pixels' products, a few units in 1e-7 over 1e-4.
    assert (single.double() - (y - y.mean((1, 2, 3), keepdim=True)) / std).abs().max() < 1e-2
    assert (single.std((1, 2, 3), correction=0) - 1).abs().max() < 2e-3
