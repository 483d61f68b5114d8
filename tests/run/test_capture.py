"""A captured training step does what the step itself does."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from harness.catalog import find_cell, papers
from harness.errors import HarnessError
from harness.run.capture import WARM_UP, training_step
from harness.run.setup import Setup, choose_device
from tests.devices.variants import variants_of


def test_without_capture_it_is_the_methods_own_step(make_plan, monkeypatch):
    plan = make_plan()
    tasks = plan.setup.tasks()
    method, same = plan.setup.method(tasks), plan.setup.method(tasks)
    order = []
    monkeypatch.setattr(method, "before_step", order.append)
    step = training_step(method, capture=False)
    batch = tasks.batch("train", 0, 4)
    assert torch.equal(step(batch, 7), same.train_step(batch, 7))
    assert order == [7]


def test_a_cpu_has_nothing_to_capture(make_plan):
    plan = make_plan()
    method = plan.setup.method(plan.setup.tasks())
    with pytest.raises(HarnessError, match=r"--capture: found device 'cpu', wanted cuda"):
        training_step(method, capture=True)


CAPTURABLE = [
    variant
    for variant in (v for paper in papers() for v in variants_of(paper).values())
    if variant.method_class.capturable and variant.task_source != "color_episodes"
]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("variant", CAPTURABLE, ids=lambda v: v.key)
def test_captured_steps_of_every_paper_give_the_same_weights(variant):
    """At rates that change from step to step, where the method has some."""
    halved = {"method.halve_every": 1} if "halve_every" in variant.protocol()["method"] else {}
    changed = find_cell(f"{variant.paper}/{variant.cell}").variant(variant.name, halved)
    setup = Setup.at("smoke", changed, device=choose_device("cuda"))
    weights, losses = [], []
    for capture in (False, True):
        tasks = setup.tasks()
        method = setup.method(tasks)
        step, count = training_step(method, capture), setup.budget.meta_batch
        first = [method.first_task(i, count) for i in range(WARM_UP + 3)]
        losses.append([step(tasks.batch("train", at, count), i) for i, at in enumerate(first)])
        weights.append(method.weights())
    assert torch.allclose(torch.stack(losses[1]), torch.stack(losses[0]), rtol=1e-4)
    for name, plain in weights[0].items():
        # A bias before a batch norm has no gradient but rounding, of which Adam makes whole steps.
        torch.testing.assert_close(weights[1][name], plain, rtol=1e-3, atol=0.01)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_captured_steps_give_the_same_weights(make_plan):
    weights = []
    for capture in (False, True):
        setup = replace(make_plan().setup, device=torch.device("cuda"))
        tasks = setup.tasks()
        method = setup.method(tasks)
        step = training_step(method, capture)
        for i in range(WARM_UP + 5):
            loss = step(tasks.batch("train", 4 * i, 4), i)
            assert loss.isfinite()
        weights.append(method.weights())
    for name, plain in weights[0].items():
        torch.testing.assert_close(weights[1][name], plain, rtol=1e-4, atol=1e-6)
