"""Functions of Gaussian processes: their law, their contexts, and the exact prediction."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from harness.errors import HarnessError
from harness.paper_tests.protocol_tables import published_variant
from harness.tasks.source import BLOCK
from replications.neural_processes.exact import exact_prediction
from replications.neural_processes.kernels import Covariance
from replications.neural_processes.predictor import log_density
from replications.neural_processes.tasks import FunctionBatch, Functions

KERNELS = ("rbf", "periodic", "noisy-matern")


def source(kernel: str = "noisy-matern", **switches: Any) -> Functions:
    given = {f"tasks__{name}": value for name, value in switches.items()}
    settings = published_variant("neural_processes", kernel, "cnp", **given).tasks
    return Functions(settings, 0, 1, torch.device("cpu"))


def functions(count: int, kernel: str = "noisy-matern", **switches: Any) -> FunctionBatch:
    batch: FunctionBatch = source(kernel, **switches).batch("val", 0, count)
    return batch


def test_kernels_are_those_of_the_textbook() -> None:
    """Rasmussen & Williams 2006, equations 4.9, 4.31 and 4.17, at one distance each."""
    zero, there = torch.zeros(1, dtype=torch.float64), torch.tensor([0.3], dtype=torch.float64)

    def value(kernel: Any) -> float:
        return float(Covariance(kernel, 0.2, 0.7, 0.1).between(zero, there))

    d = 0.3 / 0.2
    assert value("rbf") == pytest.approx(math.exp(-(d**2) / 2))
    assert value("periodic") == pytest.approx(
        math.exp(-2 * math.sin(math.pi * 0.3 / 0.7) ** 2 / 0.2**2)
    )
    assert value("noisy-matern") == pytest.approx((1 + 3**0.5 * d) * math.exp(-(3**0.5) * d))


def test_noise_is_on_the_diagonal_alone() -> None:
    points = torch.linspace(-1, 1, 5, dtype=torch.float64)
    kernel = Covariance("rbf", 0.2, 1.0, 0.1)
    more = kernel.at(points) - kernel.between(points, points)
    assert torch.allclose(more, 0.1 * torch.eye(5, dtype=torch.float64))


@pytest.mark.parametrize("kernel", ["rbf", "noisy-matern"])
def test_values_have_the_covariance_of_the_kernel(kernel: str) -> None:
    """Whitened by the factor of their own covariance, values are standard normals, independent."""
    s = source(kernel, points=12, context_max=3)
    batch = s.batch("val", 0, 2 * BLOCK)
    factor = torch.linalg.cholesky(s.settings.covariance().at(batch.x))
    white = torch.linalg.solve_triangular(factor, batch.y.unsqueeze(-1), upper=False)[..., 0]
    assert stats.kstest(white.flatten().numpy(), "norm").pvalue > 1e-6
    between = np.corrcoef(white.numpy().T) - np.eye(12)
    assert np.abs(between).max() < 6 / len(batch) ** 0.5


def test_inputs_are_uniform_and_scaled() -> None:
    batch = functions(4 * BLOCK, inputs_shared_by=1)
    assert stats.kstest(batch.x.flatten()[::7].numpy(), stats.uniform(-2, 4).cdf).pvalue > 1e-6
    assert torch.equal(batch.x, batch.x.sort(1).values)
    assert torch.allclose(batch.scaled, batch.x / 2)


@pytest.mark.parametrize("shared", [1, 8, 256])
def test_functions_share_inputs_but_not_in_a_batch(shared: int) -> None:
    batch = functions(BLOCK, inputs_shared_by=shared)
    sets = BLOCK // shared
    assert len(batch.x.unique(dim=0)) == sets
    assert torch.equal(batch.x[:sets].repeat(shared, 1), batch.x)
    assert len(batch.y.unique(dim=0)) == BLOCK


def test_counts_are_uniform_with_both_ends() -> None:
    counts = functions(20 * BLOCK).counts.numpy()
    assert counts.min() == 0
    assert counts.max() == 50
    assert stats.chisquare(np.bincount(counts, minlength=51)).pvalue > 1e-6


def test_a_batch_of_training_has_one_count() -> None:
    drawn = source().arrays("train", 0, 4 * BLOCK)["counts"].reshape(-1, 32)
    assert (drawn == drawn[:, :1]).all()
    assert len(set(drawn[:, 0])) > 5


def test_contexts_are_random_points() -> None:
    batch = functions(8 * BLOCK)
    assert torch.equal(batch.order.sort(1).values[0], torch.arange(128))
    first = np.bincount(batch.context(1).index[:, 0].numpy(), minlength=128)
    assert stats.chisquare(first).pvalue > 1e-6


def test_a_context_is_as_large_as_its_count() -> None:
    batch = functions(64)
    own = batch.context()
    assert torch.equal(own.present.sum(1), batch.counts)
    assert own.index.shape[1] == int(batch.counts.max())
    five = batch.context(5)
    assert torch.equal(five.index, batch.order[:, :5])
    assert bool(five.present.all())
    none = batch.context(0)
    assert bool(none.empty().all())
    assert torch.equal(five.of(batch.y), batch.y.gather(1, five.index))
    codes = torch.stack([batch.y, -batch.y], -1)
    assert torch.equal(five.of(codes)[..., 1], -five.of(batch.y))


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_exact_prediction_is_the_conditional_gaussian(kernel: str) -> None:
    """One function and one target at a time, from the joint covariance, by numpy."""
    s = source(kernel, length=0.6)
    batch = s.batch("val", 0, 5)
    context = batch.context(6)
    covariance = s.settings.covariance()
    mean, deviation = exact_prediction(covariance, batch.x, batch.y, context, 1e-6)
    for task in range(5):
        known = context.index[task].tolist()
        for target in (i for i in range(0, 128, 9) if i not in known):
            joint = covariance.at(batch.x[task, [*known, target]]).numpy()
            weights = np.linalg.solve(joint[:-1, :-1], joint[:-1, -1])
            wanted = weights @ batch.y[task, known].numpy()
            variance = joint[-1, -1] - weights @ joint[:-1, -1]
            assert float(mean[task, target]) == pytest.approx(wanted, abs=1e-5)
            assert float(deviation[task, target]) ** 2 == pytest.approx(variance, abs=1e-6)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_exact_prediction_knows_its_context_and_keeps_the_floor(kernel: str) -> None:
    s = source(kernel)
    batch = s.batch("val", 0, 32)
    context = batch.context(7)
    mean, deviation = exact_prediction(
        s.settings.covariance(), batch.x, batch.y, context, least=0.01
    )
    assert torch.equal(context.of(mean), context.of(batch.y))
    assert (context.of(deviation) == 0.01).all()
    assert (deviation >= 0.01).all()


def test_the_exact_prediction_is_right_about_its_error() -> None:
    """Errors of targets over their deviations are standard normals (one target of each task)."""
    s = source()
    batch = s.batch("val", 0, 8 * BLOCK)
    context = batch.context(10)
    mean, deviation = exact_prediction(s.settings.covariance(), batch.x, batch.y, context, 0.01)
    last = batch.order[:, -1:]
    errors = ((batch.y - mean) / deviation).gather(1, last)[:, 0]
    assert stats.kstest(errors.numpy(), "norm").pvalue > 1e-6


@pytest.mark.parametrize("wrong", [{"length": 0.24}, {"length": 0.16}, {"noise": 0.12}])
def test_no_other_process_predicts_better(wrong: dict[str, float]) -> None:
    """Paired over the same functions: the ceiling is one."""
    s = source()
    batch = s.batch("val", 0, 4 * BLOCK)
    context = batch.context()

    def scores(covariance: Covariance) -> torch.Tensor:
        predicted = exact_prediction(covariance, batch.x, batch.y, context, 0.01)
        return log_density(batch.y, predicted)

    other = published_variant(
        "neural_processes",
        "noisy-matern",
        "cnp",
        **{f"tasks__{k}": v for k, v in wrong.items()},
    ).tasks.covariance()
    gain = scores(s.settings.covariance()) - scores(other)
    assert float(gain.mean()) > 3 * float(gain.std()) / len(gain) ** 0.5


@pytest.mark.parametrize(
    ("switches", "told"),
    [
        ({"input_min": 2.0}, "tasks.input_min: found 2.0, wanted less than input_max, 2.0."),
        ({"context_min": 51}, "tasks.context_max: found 50, wanted context_min, 51, up to points"),
        ({"points": 40}, "tasks.context_max: found 50, wanted context_min, 0, up to points, 40."),
        ({"inputs_shared_by": 20}, "inputs_shared_by: found 20, wanted a divisor of 256."),
        ({"count_shared_by": 33}, "count_shared_by: found 33, wanted a divisor of 256."),
    ],
)
def test_switches_that_do_not_fit_are_refused(switches: dict[str, Any], told: str) -> None:
    with pytest.raises(HarnessError, match=told.replace(".", r"\.")):
        source(**switches)
