"""A captured training step does what the step itself does."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from harness.errors import HarnessError
from harness.run.capture import WARM_UP, training_step


def test_without_capture_it_is_the_methods_own_step(make_plan):
    plan = make_plan()
    method = plan.setup.method(plan.setup.tasks())
    assert training_step(method, capture=False) == method.train_step


def test_a_cpu_has_nothing_to_capture(make_plan):
    plan = make_plan()
    method = plan.setup.method(plan.setup.tasks())
    with pytest.raises(HarnessError, match=r"--capture: found device 'cpu', wanted cuda"):
        training_step(method, capture=True)


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
