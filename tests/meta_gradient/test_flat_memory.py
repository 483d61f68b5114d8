"""200 meta-steps of every engine leave memory where it was after 20."""

from __future__ import annotations

import sys

import pytest
import torch

from harness.meta_gradient.engines import ENGINES, engine
from harness.meta_gradient.problem import InnerLoop, MetaGradient
from harness.models.strided_conv4 import StridedConv4
from tests.bench.meta_gradient_cases import classification, frozen, moved
from tests.meta_gradient.held_memory import held, reachable_tensors

WARM, STEPS = 20, 200
ALLOWED = 8 << 20
"""Bytes of resident memory: pages come and go with fragmentation. A float32 copy of the weights
that stays behind at each of the 180 steps takes 20 MB, a graph more."""

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="reads /proc and calls malloc_trim: Linux only"
)


def meta_steps(compute, device="cpu"):
    """Return a function that takes one whole meta-step: gradient and Adam."""
    generator = torch.Generator().manual_seed(0)
    model = StridedConv4(1, 32, 5, generator).to(device)
    problem, batch = classification(model, generator, 1, 1, 1, (1, 14, 14))
    batch = moved(batch, device, torch.float32)
    inner = InnerLoop(1, 0.1, False, frozen(model))
    params = dict(model.named_parameters())
    optimiser = torch.optim.Adam(params.values(), lr=0.001)

    def step():
        meta_gradient = compute(problem, params, batch, inner)
        for name, parameter in params.items():
            parameter.grad = meta_gradient.gradients[name]
        optimiser.step()

    return step


def growth(compute, device="cpu"):
    """Return what is held after 200 steps beyond what was after 20."""
    # Tensors of other tests stay, whoever lets go of them meanwhile (the traceback of a failed one
    # does, some time): else they would count as memory that the steps gave back.
    others = reachable_tensors()
    step = meta_steps(compute, device)
    for _ in range(WARM):
        step()
    before = vars(held())
    for _ in range(STEPS - WARM):
        step()
    after = vars(held())
    del others
    return {name: after[name] - before[name] for name in before}


@pytest.mark.parametrize("which", ENGINES)
def test_memory_stays_flat(which):
    if which == "higher":
        pytest.importorskip("higher")
    grown = growth(engine(which))
    assert grown["tensors"] == 0
    assert grown["tensor_bytes"] == 0
    assert grown["resident_bytes"] < ALLOWED


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("which", ENGINES)
def test_device_memory_stays_flat(which):
    if which == "higher":
        pytest.importorskip("higher")
    grown = growth(engine(which), "cuda")
    assert grown["device_bytes"] == 0
    assert grown["tensors"] == 0


def without_inner_loop(problem, params, batch):
    """Return the cheapest thing that looks like a meta-gradient, and the loss with its graph."""
    loss = problem.on_query(params, batch.query_x[0], batch.query_y[0])
    gradients = torch.autograd.grad(loss, list(params.values()), retain_graph=True)
    return MetaGradient(loss.detach(), dict(zip(params, gradients, strict=True))), loss


def test_without_a_leak_the_cheap_engine_is_flat():
    grown = growth(
        lambda problem, params, batch, inner: without_inner_loop(problem, params, batch)[0]
    )
    assert grown["tensors"] == 0
    assert grown["resident_bytes"] < ALLOWED


def test_an_engine_that_keeps_its_results_is_caught():
    kept = []

    def leaking(problem, params, batch, inner):
        kept.append(without_inner_loop(problem, params, batch)[0])
        return kept[-1]

    grown = growth(leaking)
    weights = sum(g.nbytes for g in kept[0].gradients.values())
    assert grown["tensors"] >= STEPS - WARM
    assert grown["tensor_bytes"] >= (STEPS - WARM) * weights
    assert grown["resident_bytes"] > ALLOWED


def test_an_engine_that_keeps_graphs_out_of_sight_is_caught():
    """Of what a graph saves Python reaches little; the process shows all of it."""
    kept = []

    def leaking(problem, params, batch, inner):
        meta_gradient, loss = without_inner_loop(problem, params, batch)
        kept.append(loss.grad_fn)
        return meta_gradient

    assert growth(leaking)["resident_bytes"] > ALLOWED
