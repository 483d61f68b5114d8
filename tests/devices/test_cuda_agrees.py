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
DRAWS = {"versa", "rl2"}
"""Papers whose training steps draw on the device, which has random numbers of its own."""
DRAWS_AT_TEST = {"rl2"}
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


def nudged(batch: Any, by: float, device: torch.device) -> Any:
    """Return a batch of the CPU in float64 on `device`, real inputs moved by about `by`."""
    generator = torch.Generator().manual_seed(0)
    values = {}
    for name in (f.name for f in dataclasses.fields(batch)):
        value: Tensor = getattr(batch, name)
        if value.is_floating_point():
            value = value.double() + by * torch.randn(value.shape, generator=generator)
        values[name] = value.to(device)
    return dataclasses.replace(batch, **values)


def trained(setup: Setup, by: float = 0.0) -> dict[str, Tensor]:
    """Return losses, weights and scores after a few steps on small meta-batches."""
    drawn = dataclasses.replace(setup, device=CPU).tasks()
    method = setup.method(setup.tasks())
    tensors: dict[str, Tensor] = {}
    count = min(2, setup.budget.meta_batch)

    def batch(first: int) -> Any:
        return nudged(drawn.batch("train", first, count), by, setup.device)

    evaluation = dataclasses.replace(setup, device=CPU).tasks()
    evaluation.end_training()
    tested = nudged(evaluation.batch("test", 0, 2), by, setup.device)
    if not method.calibration_tasks:
        tensors |= {f"score at the start {k}": v for k, v in method.evaluate(tested).items()}
    for i in range(STEPS):
        loss = method.train_step(batch(method.first_task(i, count)), i)
        tensors[f"loss of step {i}"] = loss
    if method.calibration_tasks:
        method.calibrate(batch(0))
    tensors |= {f"weight {k}": v.clone() for k, v in method.weights().items()}
    tensors |= {f"score {k}": v for k, v in method.evaluate(tested).items()}
    return {k: v.detach().cpu() for k, v in tensors.items()}


@pytest.mark.parametrize("key", VARIANTS)
def test_a_training_on_cuda_is_that_of_the_cpu(key: str) -> None:
    """As near as the CPU is to itself where inputs move by some roundings: a maximum of equal
    values, or Adam where a gradient is nought, makes much of them."""
    setup = Setup.at("smoke", VARIANTS[key])
    try:
        here = trained(setup)
    except DataNotAtHand as e:
        pytest.skip(str(e))
    near = trained(setup, by=1e-14)
    there = trained(dataclasses.replace(setup, device=CUDA))
    assert here.keys() == there.keys()
    for name, value in here.items():
        drawn = DRAWS_AT_TEST if "start" in name else DRAWS
        if setup.variant.paper in drawn:
            assert there[name].isfinite().all(), name
            continue
        own = float((near[name] - value).abs().max()) if value.numel() else 0.0
        wrong = (there[name] - value).abs() > 1e-7 + 1e-6 * value.abs() + 10 * own
        assert not wrong.any(), f"{name}: {there[name][wrong]} for {value[wrong]}"


@pytest.mark.parametrize("key", VARIANTS)
def test_tasks_on_cuda_are_those_of_the_cpu(key: str) -> None:
    setup = Setup.at("smoke", VARIANTS[key])
    try:
        here = setup.tasks().batch("train", 0, 2)
    except DataNotAtHand as e:
        pytest.skip(str(e))
    there = dataclasses.replace(setup, device=CUDA).tasks().batch("train", 0, 2)
    for field in dataclasses.fields(here):
        value = getattr(there, field.name)
        assert value.device.type == "cuda"
        assert torch.allclose(value.cpu(), getattr(here, field.name), rtol=1e-5, atol=1e-4)
