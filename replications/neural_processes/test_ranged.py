"""Functions of random length and scale, their exact prediction, and the network of two codes."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from harness.errors import HarnessError
from harness.paper_tests.protocol_tables import published_variant
from harness.paper_tests.published_methods import published_method
from harness.paper_tests.resume import same_weights, with_and_without_stop
from harness.paper_tests.smoke_plans import smoke_method
from harness.paper_tests.starts import assert_starts, drawn, torch_default
from harness.paper_tests.switch_effects import (
    THROUGHOUT,
    TRAINING,
    Places,
    assert_seen,
    maker,
    switch_names,
)
from harness.run.setup import Setup
from harness.tasks.source import BLOCK
from replications.neural_processes.pooled import (
    ExactRanged,
    PooledCNP,
    PooledSettings,
    point_densities,
)
from replications.neural_processes.ranged import (
    KERNELS,
    RangedBatch,
    RangedFunctions,
    correlation,
)

CELL = "neural_processes/ranges-rbf"
SMALL = {"width": 8, "point_layers": 2, "mean_layers": 1, "decoder_layers": 2}


def source(**switches: Any) -> RangedFunctions:
    given = {f"tasks__{name}": value for name, value in switches.items()}
    settings = published_variant("neural_processes", "ranges-rbf", "cnp", **given).tasks
    return RangedFunctions(settings, 0, 1, torch.device("cpu"))


def functions(count: int, **switches: Any) -> RangedBatch:
    batch: RangedBatch = source(**switches).batch("val", 0, count)
    return batch


def exact(batch: RangedBatch) -> tuple[Tensor, Tensor]:
    """Return the exact prediction, without a floor to speak of."""
    made = published_variant(
        "neural_processes", "ranges-rbf", "exact", method__least_deviation=1e-9
    )
    setup = Setup.at("full", made)
    method = setup.method(setup.tasks())
    assert isinstance(method, ExactRanged)
    return method.predict(batch, batch.masks()[0])


def test_kernels_are_those_of_the_textbook() -> None:
    """Rasmussen & Williams 2006, equations 4.9, 4.17 and 4.31, at one distance."""
    numbers = [torch.tensor([x], dtype=torch.float64) for x in (-0.3, 0.2, 0.7)]
    d = 0.3 / 0.2
    wanted = {
        "rbf": math.exp(-(d**2) / 2),
        "matern-5/2": (1 + 5**0.5 * d + 5 * d**2 / 3) * math.exp(-(5**0.5) * d),
        "periodic": math.exp(-2 * math.sin(math.pi * 0.3 / 0.7) ** 2 / 0.2**2),
    }
    told = {kernel: float(correlation(kernel, *numbers)) for kernel in KERNELS}
    assert told == pytest.approx(wanted)


@pytest.mark.parametrize("kernel", KERNELS)
def test_values_have_the_covariance_of_their_kernel(kernel: str) -> None:
    """One point after the other: errors of the exact prediction over its deviation are standard
    normals, whatever length, scale and period a function has."""
    batch = functions(8 * BLOCK, kernel=kernel)
    mean, deviation = exact(batch)
    _, targets = batch.masks()
    errors = ((batch.y - mean) / deviation)[targets & (targets.cumsum(1) == 1)]
    assert len(errors) == len(batch)
    assert stats.kstest(errors.numpy(), "norm").pvalue > 1e-6
    first = batch.y[:, 0] / (batch.scale.square() + 0.02**2).sqrt()
    assert stats.kstest(first.numpy(), "norm").pvalue > 1e-6


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_exact_prediction_is_the_conditional_gaussian(kernel: str) -> None:
    batch = functions(3, kernel=kernel)
    mean, deviation = exact(batch)
    for task in range(3):
        known, target = int(batch.contexts[task]), int(batch.points[task]) - 1
        points = batch.x[task, [*range(known), target]]
        numbers = (batch.length[task], batch.period[task])
        distance = points[:, None] - points
        joint = batch.scale[task] ** 2 * correlation(kernel, distance, *numbers)  # type: ignore[arg-type]
        joint = (joint + 0.02**2 * torch.eye(len(points))).numpy()
        weights = np.linalg.solve(joint[:-1, :-1], joint[:-1, -1])
        wanted = weights @ batch.y[task, :known].numpy()
        assert float(mean[task, target]) == pytest.approx(wanted, abs=1e-6)
        variance = joint[-1, -1] - weights @ joint[:-1, -1]
        assert float(deviation[task, target]) ** 2 == pytest.approx(variance, rel=1e-4)


def test_ranges_are_those_of_the_protocol() -> None:
    batch = functions(8 * BLOCK)
    for name, low, high in (("length", 0.1, 0.6), ("scale", 0.1, 1.0), ("period", 0.1, 0.5)):
        law = stats.uniform(low, high - low)
        assert stats.kstest(getattr(batch, name).numpy(), law.cdf).pvalue > 1e-6
    assert stats.kstest(batch.x.flatten()[::9].numpy(), stats.uniform(-2, 4).cdf).pvalue > 1e-6


def test_counts_are_those_of_the_protocol() -> None:
    """3 to 46 context points, 3 to 49 less these targets, all as probable."""
    batch = functions(40 * BLOCK)
    contexts, targets = batch.contexts.numpy(), (batch.points - batch.contexts).numpy()
    assert (contexts.min(), contexts.max()) == (3, 46)
    assert stats.chisquare(np.bincount(contexts)[3:]).pvalue > 1e-6
    few = targets[contexts == 40]
    assert (few.min(), few.max()) == (3, 9)
    assert (batch.points <= 49).all()
    context, target = batch.masks()
    assert torch.equal(context.sum(1), batch.contexts)
    assert not (context & target).any()
    assert torch.equal((context | target).sum(1), batch.points)


def test_only_the_test_has_another_kernel() -> None:
    s = source(test_kernel="periodic")
    for split, kernel in (("train", "rbf"), ("val", "rbf")):
        assert (s.arrays(split, 0, 9)["kernel"] == KERNELS.index(kernel)).all()
    counts = s.arrays("train", 0, BLOCK)["contexts"].reshape(-1, 4)
    assert (counts == counts[:, :1]).all()
    s.end_training()
    assert (s.arrays("test", 0, 9)["kernel"] == KERNELS.index("periodic")).all()


@pytest.mark.parametrize(
    ("switches", "told"),
    [
        ({"length_min": 0.7}, "tasks.length_min: found 0.7, wanted at most length_max, 0.6."),
        ({"context_min": 47}, "tasks.context_min: found 47, wanted at most context_max, 46."),
        ({"points_max": 48}, "found 48, wanted context_max and targets_min, 49, or more."),
        ({"count_shared_by": 5}, "tasks.count_shared_by: found 5, wanted a divisor of 256."),
    ],
)
def test_switches_that_do_not_fit_are_refused(switches: dict[str, Any], told: str) -> None:
    with pytest.raises(HarnessError, match=told):
        source(**switches)


def network(**switches: Any) -> PooledCNP:
    method, _ = smoke_method(CELL, "cnp", **{f"method__{k}": v for k, v in switches.items()})
    assert isinstance(method, PooledCNP)
    method.model.double()
    return method


def test_the_network_has_as_many_weights_as_the_authors() -> None:
    model = published_method("neural_processes", "ranges-rbf", "cnp").model
    assert sum(w.numel() for w in model.parameters()) == 215_682


def test_the_network_starts_as_torch_does() -> None:
    weights = drawn(
        lambda seed: published_method("neural_processes", "ranges-rbf", "cnp", seed).weights(), 4
    )
    few = "decode.4.bias"  # two numbers
    assert (weights.pop(few).abs() <= 128**-0.5).all()
    laws = {
        "encoders.*.before.0.*": torch_default(2),
        "encoders.*.before.[246].*": torch_default(128),
        "encoders.*.after.*": torch_default(128),
        "decode.0.*": torch_default(257),
        "decode.[24].*": torch_default(128),
    }
    assert_starts(weights, laws)


def test_only_the_context_tells_the_network_anything() -> None:
    method, batch = network(), functions(6)
    context, _ = batch.masks()
    other = dataclasses.replace(batch, y=torch.where(context, batch.y, 7.0))
    with torch.no_grad():
        one, two = (torch.stack(method.predict(b, context)) for b in (batch, other))
    assert torch.equal(one, two)
    assert (one[1] > 0.1).all()


def test_scores_are_means_over_context_and_targets() -> None:
    method, batch = network(), functions(4)
    scores = method.evaluate(batch)
    assert tuple(scores) == method.metrics(method.settings)
    with torch.no_grad():
        densities = point_densities(batch.y, method.predict(batch, batch.masks()[0]))
    for task in range(4):
        known, points = int(batch.contexts[task]), int(batch.points[task])
        told = float(scores["context_log_likelihood"][task])
        assert told == pytest.approx(float(densities[task, :known].mean()))
        told = float(scores["target_log_likelihood"][task])
        assert told == pytest.approx(float(densities[task, known:points].mean()))


def test_the_loss_is_the_mean_over_all_points_of_a_task() -> None:
    method, batch = network(learning_rate=0.0), functions(4)
    scores = method.evaluate(batch)
    context, targets = batch.masks()
    share = context.sum(1) / (context | targets).sum(1)
    parts = (scores["context_log_likelihood"], scores["target_log_likelihood"])
    wanted = -(share * parts[0] + (1 - share) * parts[1]).mean()
    assert float(method.train_step(batch, 0)) == pytest.approx(float(wanted))


def test_nothing_predicts_better_than_a_floor_allows() -> None:
    """Known points at a deviation of 0.1: -ln(0.1) - ln(2 pi) / 2."""
    setup = Setup.at("full", published_variant("neural_processes", "ranges-rbf", "exact"))
    scores = setup.method(setup.tasks()).evaluate(functions(16))
    ceiling = -math.log(0.1) - 0.5 * math.log(2 * math.pi)
    assert torch.allclose(scores["context_log_likelihood"], torch.tensor(ceiling).double())
    assert (scores["target_log_likelihood"] < ceiling).all()


def test_the_rate_falls_as_a_cosine() -> None:
    method = published_method("neural_processes", "ranges-rbf", "cnp")
    rates = []
    for iteration in (0, 50_000, 100_000):
        method.before_step(iteration)
        rates.append(method.optimiser.param_groups[0]["lr"])
    assert rates == pytest.approx([5e-4, 2.5e-4, 0.0])


def test_a_stopped_training_goes_on_as_if_it_had_not_stopped() -> None:
    given = {f"method__{name}": value for name, value in SMALL.items()}
    made = published_variant("neural_processes", "ranges-rbf", "cnp", **given)
    setups = [Setup.at("full", made, seed) for seed in (0, 1)]
    tasks = setups[0].tasks()
    batches = [tasks.batch("train", 8 * i, 8) for i in range(4)]

    def make() -> Any:
        return setups[0].method(setups[0].tasks())

    def again() -> Any:
        return setups[1].method(setups[1].tasks())

    assert same_weights(*with_and_without_stop(make, batches, 2, again))


SEEN: dict[str, tuple[Places, tuple[Any, ...]]] = {
    "least_deviation": (THROUGHOUT, (0.1, 0.5)),
    "width": (THROUGHOUT, (8, 12)),
    "point_layers": (THROUGHOUT, (2, 3)),
    "mean_layers": (THROUGHOUT, (1, 2)),
    "decoder_layers": (THROUGHOUT, (2, 3)),
    "learning_rate": (TRAINING, (0.001, 0.01)),
    "schedule_iterations": (TRAINING, (2, 4)),
}


@pytest.mark.parametrize("switch", switch_names(PooledSettings))
def test_each_switch_is_seen_where_it_works(switch: str) -> None:
    _, tasks = smoke_method(CELL, "cnp")
    batches = [tasks.batch("train", 8 * i, 8) for i in range(3)]
    make = maker(CELL, "cnp", {}, **SMALL)
    assert_seen(SEEN, PooledSettings, switch, make, batches, tasks.batch("val", 0, 8))
