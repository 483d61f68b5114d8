"""On a CUDA device every paper trains and scores as on the CPU, in float64."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from harness.catalog import papers
from harness.errors import DataNotAtHand
from harness.run.setup import CPU, Setup
from tests.devices.variants import variants_of

CUDA = torch.device("cuda")
STEPS = 2
VARIANTS = {k: v for paper in papers() for k, v in variants_of(paper).items()}
pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    """Compute in float64."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def in_double(batch: Any) -> Any:
    """Return a batch whose real numbers are float64."""
    given = {f.name: getattr(batch, f.name) for f in dataclasses.fields(batch)}
    real = {
        k: v.double() for k, v in given.items() if isinstance(v, Tensor) and v.is_floating_point()
    }
    return dataclasses.replace(batch, **real)


def trained(setup: Setup) -> dict[str, Tensor]:
    """Return losses, weights and scores after a few steps on small meta-batches."""
    tasks = setup.tasks()
    method = setup.method(tasks)
    found: dict[str, Tensor] = {}
    count = min(2, setup.budget.meta_batch)
    for i in range(STEPS):
        batch = in_double(tasks.batch("train", method.first_task(i, count), count))
        found[f"loss of step {i}"] = method.train_step(batch, i)
    if method.calibration_tasks:
        method.calibrate(in_double(tasks.batch("train", 0, count)))
    found |= {f"weight {k}": v.clone() for k, v in method.weights().items()}
    tasks.end_training()
    scores = method.evaluate(in_double(tasks.batch("test", 0, 2)))
    return found | {f"score {k}": v for k, v in scores.items()}


@pytest.mark.parametrize("key", VARIANTS)
def test_a_training_on_cuda_is_that_of_the_cpu(key: str) -> None:
    try:
        here = trained(Setup.at("smoke", VARIANTS[key], device=CPU))
    except DataNotAtHand as e:
        pytest.skip(str(e))
    there = trained(Setup.at("smoke", VARIANTS[key], device=CUDA))
    assert here.keys() == there.keys()
    for name, value in here.items():
        scale = float(value.abs().max()) if value.numel() else 0.0
        wrong = (there[name].cpu() - value).abs() > 1e-7 * scale + 1e-6 * value.abs()
        assert not wrong.any(), f"{name}: {there[name].cpu()[wrong]} for {value[wrong]}"
