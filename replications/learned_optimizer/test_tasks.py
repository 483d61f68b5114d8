from __future__ import annotations

from typing import Any

import pytest
import torch

from replications.learned_optimizer.tasks import QuadraticBatch, Quadratics, QuadraticSettings


def quadratics(distribution: Any, dimension: int = 10) -> Quadratics:
    settings = QuadraticSettings(dimension, distribution, 0.01)
    return Quadratics(settings, 1, 2, torch.device("cpu"))


@pytest.mark.parametrize("distribution", ["uniform", "gaussian"])
def test_problems_are_as_described(distribution: str) -> None:
    tasks = quadratics(distribution)
    batch = tasks.batch("train", 0, 2000)
    f0 = batch.losses_and_gradients(batch.start)[0].mean()
    # E f(0) = 10 E y^2: 10/3 for the uniform problems, where the paper's figure starts, 10 else.
    assert float(f0) == pytest.approx(10 / 3 if distribution == "uniform" else 10.0, rel=0.05)
    assert float(batch.start.std()) == pytest.approx(0.01, rel=0.05)
    assert torch.equal(tasks.batch("train", 700, 5).matrix, batch.matrix[700:705])
    other = quadratics("gaussian" if distribution == "uniform" else "uniform")
    assert torch.equal(other.batch("train", 0, 5).start, batch.start[:5])


def test_gradient_of_quadratics_is_that_of_autograd() -> None:
    batch = quadratics("uniform", 3).batch("train", 0, 5)
    batch = QuadraticBatch(batch.matrix.double(), batch.target.double(), batch.start.double())
    x = torch.rand(5, 3, dtype=torch.float64).requires_grad_()
    losses, gradient = batch.losses_and_gradients(x)
    (expected,) = torch.autograd.grad(losses.sum(), x)
    torch.testing.assert_close(gradient.detach(), expected, rtol=1e-12, atol=1e-12)
