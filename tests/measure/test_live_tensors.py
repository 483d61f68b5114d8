"""Live bytes against allocations that can be counted by hand (float32: 4 bytes a number)."""

from __future__ import annotations

import gc

import pytest
import torch
from torch import nn

from harness.measure.live_tensors import LiveTensors
from harness.meta_gradient.engines import engine
from harness.meta_gradient.problem import InnerLoop, Problem
from harness.tasks.batch import SupervisedBatch

KIB = 256  # float32 numbers in a KiB


def test_a_tensor_counts_while_it_is_held():
    with LiveTensors() as live:
        a = torch.zeros(KIB)
        b = torch.zeros(2 * KIB)
        assert live.live == live.peak == 3 * 1024
        del a
        assert (live.live, live.peak) == (2 * 1024, 3 * 1024)
        c = a = b + 1
        assert (live.live, live.peak) == (4 * 1024, 4 * 1024)
        del a, c
    assert live.peak == 4 * 1024


def test_views_and_work_in_place_are_free():
    with LiveTensors() as live:
        a = torch.zeros(KIB, 2)
        view = a.t()[0].view(-1)
        a.add_(1).relu_()
        assert live.peak == 2 * 1024
        del a
        assert live.live == 2 * 1024, "the view holds the memory"
        del view
        assert live.live == 0


def test_what_was_there_before_counts_nothing():
    before = torch.zeros(KIB)
    with LiveTensors() as live:
        view = before.view(2, -1)
        before += 1
        assert live.peak == 0
        del view, before
        assert live.live == 0
        assert torch.zeros(KIB).sum() == 0
    assert live.peak == 1024 + 4 + 1, "the tensor, its sum, and whether that is 0"


def test_an_autograd_graph_holds_what_it_saved():
    x = torch.ones(KIB, requires_grad=True)
    with LiveTensors() as live:
        total = (x * 2).exp().sum()  # exp saves its result for the backward pass
        assert live.live == 1024 + 4
        assert live.peak == 2 * 1024, "the product, until the exponential is there"
        total.backward()
        del total
        assert live.live == 1024, "the gradient"


def test_several_results_and_lists_of_tensors():
    with LiveTensors() as live:
        values, places = torch.zeros(KIB).sort()
        assert live.live == 1024 + 2 * 1024, "numbers, and their places in int64"
        more = torch._foreach_add([values, values], 1)
        assert live.live == 5 * 1024
        del values, places, more


def test_a_resized_result_counts_as_large_as_it_is():
    with LiveTensors() as live:
        out = torch.empty(0)
        torch.arange(KIB, out=out)
        assert live.live == 1024


def test_memory_used_again_is_counted_again():
    with LiveTensors() as live:
        for _ in range(50):
            assert torch.empty(KIB).numel() == KIB
    assert (live.live, live.peak) == (0, 1024)


@pytest.mark.parametrize("steps", [1, 3])
def test_a_second_order_loop_holds_every_step_and_a_first_order_one_does_not(steps):
    """The matrix [64, 64] is what takes memory: one updated copy a step is held to the end."""
    model = nn.Linear(64, 64, bias=False)
    x = torch.randn(1, 2, 64)
    batch = SupervisedBatch(x, x, x, x)
    problem = Problem(model, nn.functional.mse_loss, nn.functional.mse_loss)
    params = {k: v.detach() for k, v in model.named_parameters()}
    matrix = 64 * 64 * 4

    def peak(first_order: bool) -> int:
        gc.collect()
        with LiveTensors() as live:
            engine("loop")(problem, params, batch, InnerLoop(steps, 0.1, first_order))
        return live.peak

    first, second = peak(True), peak(False)
    assert second >= (steps + 1) * matrix
    assert second > first
    assert first < 8 * matrix


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_tensors_on_a_device_count_too():
    with LiveTensors() as live:
        a = torch.zeros(KIB, device="cuda")
        assert live.live == 1024
        del a
        assert live.live == 0
