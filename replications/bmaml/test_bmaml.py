"""Both meta-losses against plain loops, what is known of limits, training, and the speed of a step.

All in float64: there a batched step and a loop differ by roundings alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from harness.paper_tests.protocol_tables import published_variant
from harness.paper_tests.resume import same_weights, with_and_without_stop
from harness.paper_tests.smoke_plans import smoke_plan
from harness.report.drawing import draw_record
from harness.run.loop import run
from harness.run.setup import Setup
from replications.bmaml import fans, svgd
from replications.bmaml.method import BMAML, EMAML
from replications.bmaml.plain_loops import (
    CELL,
    COUNT,
    batch,
    chaser,
    learner,
    maml,
    normals,
    pair,
    value,
)
from replications.bmaml.svgd import bandwidth, squared_distances
from replications.bmaml.tasks import SinusoidBatch


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    """Compute in float64."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def meta_gradient(method: Any, drawn: SinusoidBatch) -> tuple[Tensor, Tensor]:
    loss = method.loss(drawn)
    (gradient,) = torch.autograd.grad(loss, method.particles)
    return loss.detach(), gradient


def test_the_chaser_loss_and_its_gradient_are_those_of_a_plain_loop() -> None:
    method, drawn = learner(particles=3), batch()
    loss, gradient = meta_gradient(method, drawn)
    start = method.start[:, 0].detach().requires_grad_()
    wanted = chaser(start, drawn)
    assert float(loss) == pytest.approx(value(wanted))
    assert torch.allclose(gradient, torch.autograd.grad(wanted, start)[0], rtol=1e-6, atol=1e-12)


def test_the_chaser_gradient_is_that_of_finite_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the follower's step, kernel and second derivatives and all; not through the leader,
    nor the bandwidth."""
    method, drawn = learner(particles=4), batch()
    _, gradient = meta_gradient(method, drawn)
    fixed = bandwidth(squared_distances(method.start.detach().transpose(0, 1)))
    (*_, follower) = method.adapt(*pair(drawn), 1)
    leader = method.leader(follower.detach(), drawn)
    monkeypatch.setattr(svgd, "bandwidth", lambda squares: fixed)
    along, start = normals(*method.particles.shape), method.start.detach()
    along /= along.norm()

    def loss(by: float) -> float:
        (moved, size) = start + by * along.unsqueeze(1), method.networks.count
        adapted = method.step(moved, *pair(drawn))
        return value((adapted - leader)[..., :size].square().sum((0, 2)).mean())

    step = 1e-5
    slope = (loss(step) - loss(-step)) / (2 * step)
    assert slope == pytest.approx(float((gradient * along).sum()), rel=1e-5)


def test_every_number_of_a_particle_has_a_gradient() -> None:
    """The precisions too, though the loss is over weights."""
    _, gradient = meta_gradient(learner(), batch(10))
    assert (gradient[:, COUNT:] != 0).all()
    assert float((gradient != 0).double().mean()) > 0.9


def test_more_steps_of_follower_and_leader_go_on_from_there() -> None:
    drawn = batch()
    twice = learner(particles=3, inner_steps=2, leader_steps=2)
    *_, follower = twice.adapt(*pair(drawn), 2)
    *_, leader = learner(particles=3).adapt(*pair(drawn), 1)
    assert torch.allclose(follower, twice.step(leader, *pair(drawn)))
    once, further = learner(particles=3), (drawn.further_x, drawn.further_y)
    both = [torch.cat(p, 1) for p in zip(pair(drawn), further, strict=True)]
    wanted = once.step(once.step(follower.detach(), *both), *both)
    assert torch.allclose(twice.leader(follower.detach(), drawn), wanted)


@pytest.mark.parametrize("variant", ["maml", "emaml"])
def test_each_particle_of_emaml_is_a_maml(variant: str) -> None:
    method, drawn = learner(variant, inner_rate=0.01), batch()
    assert isinstance(method, EMAML)
    loss, gradient = meta_gradient(method, drawn)
    total = 0.0
    for m, particle in enumerate(method.start[:, 0].detach()):
        alone = particle.clone().requires_grad_()
        wanted = maml(alone, drawn, 0.01)
        total += value(wanted)
        assert torch.allclose(gradient[m], torch.autograd.grad(wanted, alone)[0], atol=1e-12)
    assert float(loss) == pytest.approx(total)
    assert len(gradient) == (1 if variant == "maml" else 10)


@pytest.mark.parametrize("cell", ["sinusoid-100-tasks-5shot", "sinusoid-100-tasks-10shot"])
def test_an_emaml_can_step_as_far_as_a_particle_of_bmaml_does_by_its_own_gradient(
    cell: str,
) -> None:
    """At the start, priors and other particles aside: `emaml-step-of-bmaml`."""
    made = Setup.at("full", published_variant("bmaml", cell, "bmaml", method__weight_start=1e-9))
    tasks = made.tasks()
    bayesian, drawn = made.method(tasks), tasks.batch("train", 0, 2)
    assert isinstance(bayesian, BMAML)
    start = bayesian.start.detach()
    start[:, :, COUNT + 1] = math.log(100)
    own = 1e-3 / len(start) * bayesian.posterior.gradient(start, *pair(drawn))[..., :COUNT]
    made = Setup.at("full", published_variant("bmaml", cell, "emaml-step-of-bmaml"))
    ensemble = made.method(made.tasks())
    weights = start[..., :COUNT]
    assert torch.allclose(ensemble.step(weights, *pair(drawn)) - weights, own, atol=1e-9)


@pytest.mark.parametrize("variant", ["bmaml", "emaml"])
def test_the_mean_prediction_errs_less_than_the_particles_do(variant: str) -> None:
    """By the variance of their predictions: Jensen's inequality, whatever was learned."""
    method, drawn = learner(variant), batch(4, "val")
    scores = method.evaluate(drawn)
    for k, particles in enumerate(method.adapt(*pair(drawn), 10)):
        predicted = method.networks.run(particles, drawn.query_x).outputs
        variance = predicted.var(0, correction=0).mean(1)
        wanted = (predicted.mean(0) - drawn.query_y[..., 0]).square().mean(1)
        assert torch.allclose(scores[f"mse@{k}"], wanted)
        assert torch.allclose(scores[f"particle_mse@{k}"], wanted + variance)


def test_a_single_particle_has_one_error() -> None:
    scores = learner("maml").evaluate(batch(4, "val"))
    for k in range(11):
        assert torch.allclose(scores[f"mse@{k}"], scores[f"particle_mse@{k}"])


def test_zero_errs_by_half_the_mean_squared_amplitude() -> None:
    made = Setup.at("full", published_variant("bmaml", CELL, "zero"))
    tasks = made.tasks()
    scores = made.method(tasks).evaluate(tasks.batch("val", 0, 5000))["mse@1"]
    error = float(scores.std()) / math.sqrt(len(scores))
    assert float(scores.mean()) == pytest.approx((5**3 - 0.1**3) / (3 * 4.9) / 2, abs=4 * error)
    assert error < 0.1


def test_the_rate_falls_by_a_share_with_each_hundredth_of_training() -> None:
    method = learner("maml")
    rates = []
    for iteration in (0, 500, 1000, 99_999):
        method.before_step(iteration)
        rates.append(method.optimiser.param_groups[0]["lr"])
    assert rates == pytest.approx([1e-3, 1e-3 * 0.98**0.5, 0.98e-3, 1e-3 * 0.98**99.999])


@pytest.mark.parametrize("variant", ["bmaml", "emaml"])
def test_training_brings_the_loss_down(variant: str) -> None:
    method, drawn = learner(variant, particles=4), batch(10)
    losses = [float(method.train_step(drawn, i)) for i in range(20)]
    assert losses[-1] < 0.97 * losses[0]


@pytest.mark.parametrize("variant", ["bmaml", "emaml", "maml"])
def test_a_stopped_training_goes_on_as_if_it_had_not_stopped(variant: str) -> None:
    made = Setup.at("full", published_variant("bmaml", CELL, variant))
    tasks = made.tasks()
    batches = [tasks.batch("train", 10 * i, 10) for i in range(4)]

    def make(seed: int = 0) -> Callable[[], Any]:
        return lambda: learner(variant, seed)

    assert same_weights(*with_and_without_stop(make(), batches, 2, make(1)))


def test_a_step_is_four_times_as_fast_as_loops_over_tasks_and_particles() -> None:
    """In float32, as a training is, by processor time: other work on the machine counts little."""
    torch.set_default_dtype(torch.float32)
    method, drawn = learner(), batch(10)
    assert isinstance(method, BMAML)
    start = method.start[:, 0].detach().requires_grad_()

    def least(work: Callable[[], Any], times: int) -> float:
        spent = []
        for _ in range(times):
            before = time.process_time()
            work()
            spent.append(time.process_time() - before)
        return min(spent)

    batched = least(lambda: meta_gradient(method, drawn), 20)
    looped = least(lambda: torch.autograd.grad(chaser(start, drawn), start), 2)
    assert looped > 4 * batched


def test_fans_are_drawn_from_a_record(tmp_path: Path) -> None:
    torch.set_default_dtype(torch.float32)
    record = run(smoke_plan(tmp_path, f"bmaml/{CELL}", "bmaml"))
    assert draw_record(fans.draw_fans, [str(record), str(tmp_path / "fans.svg")]) == 0
    assert "mean of particles" in (tmp_path / "fans.svg").read_text("utf-8")
