"""Networks, posterior, SVGD and both meta-losses against plain loops, and what is known of limits.

All in float64: there a batched step and a loop differ by roundings alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, distributions
from torch.nn import functional

from harness.paper_tests.protocol_tables import published_variant
from harness.paper_tests.resume import same_weights, with_and_without_stop
from harness.paper_tests.smoke_plans import smoke_plan
from harness.report.drawing import draw_record
from harness.run.loop import run
from harness.run.setup import Setup
from replications.bmaml import fans, svgd
from replications.bmaml.method import BMAML, EMAML
from replications.bmaml.svgd import bandwidth, squared_distances, svgd_step
from replications.bmaml.tasks import SinusoidBatch

CELL = "sinusoid-100-tasks-5shot"
SHAPES = ((1, 40), (40, 40), (40, 40), (40, 1))
COUNT = 3401
TASKS, POINTS = 3, 5
Shared = pytest.mark.parametrize("shared", [True, False])
Repulsion = pytest.mark.parametrize("repulsion", [0.0, 1.0, 2.0])


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    """Compute in float64."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def learner(variant: str = "bmaml", seed: int = 0, **switches: Any) -> Any:
    given = {f"method__{name}": value for name, value in switches.items()}
    made = Setup.at("full", published_variant("bmaml", CELL, variant, **given), seed)
    return made.method(made.tasks())


def batch(count: int = TASKS, split: str = "train") -> SinusoidBatch:
    made = Setup.at("full", published_variant("bmaml", CELL, "bmaml"))
    drawn: SinusoidBatch = made.tasks().batch(split, 0, count)
    return drawn


def normals(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def spread(method: Any, shared: bool) -> Tensor:
    """Return particles [M, S, D] that are the same for all tasks, or apart for each."""
    start = method.start.detach()
    return start if shared else start + 0.1 * normals(len(start), TASKS, start.shape[-1])


def value(scalar: Tensor) -> float:
    """Return a number that gradients may hang on."""
    return float(scalar.detach())


def predict(particle: Tensor, x: Tensor) -> Tensor:
    """Map x [K, 1] to [K] by one network: weight and bias of each layer in turn."""
    at = 0
    for i, (inputs, outputs) in enumerate(SHAPES):
        end = at + inputs * outputs
        weight, bias = particle[at:end].view(inputs, outputs), particle[end : end + outputs]
        x = functional.linear(x, weight.T, bias)
        x = functional.relu(x) if i < len(SHAPES) - 1 else x
        at = end + outputs
    return x.squeeze(-1)


def log_density(particle: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return the log-density of one particle by torch's distributions, with its constants."""
    w, weight, noise = particle[:COUNT], particle[COUNT].exp(), particle[COUNT + 1].exp()
    values = distributions.Normal(predict(particle, x), noise.rsqrt())
    weights = distributions.Normal(torch.zeros(()), weight.rsqrt())
    return (
        values.log_prob(y.squeeze(-1)).sum()
        + weights.log_prob(w).sum()
        + (distributions.Gamma(2.0, 0.2).log_prob(noise) + noise.log())
        + (distributions.Gamma(2.0, 2.0).log_prob(weight) + weight.log())
    )


def looped_step(
    particles: list[Tensor], x: Tensor, y: Tensor, rate: float, repulsion: float = 1.0
) -> list[Tensor]:
    """Move the particles of one task by SVGD, one after the other."""
    gradients = [
        torch.autograd.grad(log_density(p, x, y), p, create_graph=True)[0] for p in particles
    ]
    between = [[(p - other).square().sum() for other in particles] for p in particles]
    h = np.median([[value(d) for d in row] for row in between]) / math.log(len(particles))
    moved = []
    for p, row in zip(particles, between, strict=True):
        direction = torch.zeros_like(p)
        for other, gradient, distance in zip(particles, gradients, row, strict=True):
            kernel = (-distance / h).exp()
            direction = direction + kernel * gradient + repulsion * kernel * (p - other) / h
        moved.append(p + rate * direction / len(particles))
    return moved


def chaser(start: Tensor, drawn: SinusoidBatch) -> Tensor:
    """Return the chaser loss of particles [M, D], task by task and particle by particle."""
    losses = []
    for i in range(len(drawn)):
        x, y = drawn.support_x[i], drawn.support_y[i]
        follower = looped_step(list(start), x, y, 1e-3)
        leader = [p.detach().requires_grad_() for p in follower]
        both = [torch.cat(pair) for pair in ((x, drawn.further_x[i]), (y, drawn.further_y[i]))]
        leader = looped_step(leader, *both, 1e-3)
        apart = [
            (f - m.detach())[:COUNT].square().sum() for f, m in zip(follower, leader, strict=True)
        ]
        losses.append(torch.stack(apart).sum())
    return torch.stack(losses).mean()


@Shared
def test_networks_are_those_of_a_plain_loop(shared: bool) -> None:
    method, drawn = learner(particles=4), batch()
    particles = spread(method, shared)
    outputs = method.networks.run(particles, drawn.support_x).outputs
    for m in range(4):
        for task in range(TASKS):
            particle = particles[m, 0 if shared else task]
            assert torch.allclose(outputs[m, task], predict(particle, drawn.support_x[task]))


@Shared
def test_the_posterior_is_that_of_torchs_distributions(shared: bool) -> None:
    """But constants, and its gradient is that of autograd."""
    method, drawn = learner(particles=4), batch()
    particles = spread(method, shared)
    x, y = drawn.support_x, drawn.support_y
    density = method.posterior.log_density(particles, x, y)
    gradient = method.posterior.gradient(particles, x, y)
    gaussians = 0.5 * (POINTS + COUNT) * math.log(2 * math.pi)
    gammas = sum(a * math.log(b) - math.lgamma(a) for a, b in ((2.0, 0.2), (2.0, 2.0)))
    for m in range(4):
        for task in range(TASKS):
            particle = particles[m, 0 if shared else task].clone().requires_grad_()
            wanted = log_density(particle, x[task], y[task])
            assert float(density[m, task]) == pytest.approx(value(wanted) + gaussians - gammas)
            wanted.backward()  # type: ignore[no-untyped-call]
            assert torch.allclose(gradient[m, task], particle.grad)  # type: ignore[arg-type]


@Repulsion
@Shared
def test_an_svgd_step_is_that_of_a_plain_loop(shared: bool, repulsion: float) -> None:
    method, drawn = learner(particles=5), batch()
    particles = spread(method, shared)
    x, y = drawn.support_x, drawn.support_y
    gradient = method.posterior.gradient(particles, x, y)
    moved = svgd_step(particles, gradient, 1e-3, repulsion)
    for task in range(TASKS):
        alone = [p.clone().requires_grad_() for p in particles[:, 0 if shared else task]]
        wanted = looped_step(alone, x[task], y[task], 1e-3, repulsion)
        for m in range(5):
            assert torch.allclose(moved[m, task], wanted[m], atol=1e-9)


def test_repulsion_two_is_the_kernels_own_gradient() -> None:
    """Without a density, and with one bandwidth, particles move up the sum of kernels."""
    particles = normals(4, 1, 7)
    h = bandwidth(squared_distances(particles.transpose(0, 1)))
    others = particles[:, 0].clone().requires_grad_()
    squares = (particles - others).square().sum(-1)
    (gradient,) = torch.autograd.grad((-squares / h[0]).exp().sum(), others)
    moved = svgd_step(particles, torch.zeros(4, 1, 7), 1.0, 2.0)
    # The kernel is even: what moves one particle by it is what moves the other, reversed.
    assert torch.allclose(moved[:, 0], particles[:, 0] - gradient / 4)


@pytest.mark.parametrize("m", [2, 5, 10])
def test_distances_and_bandwidth_are_those_of_the_authors(m: int) -> None:
    """The median is of the whole matrix, whose diagonal is 0."""
    particles = 3 + normals(2, m, 50)
    squares = squared_distances(particles)
    wanted = torch.cdist(particles, particles).square()
    assert torch.allclose(squares, wanted, atol=1e-10)
    for matrix, h in zip(wanted, bandwidth(squares).flatten(), strict=True):
        assert float(h) == pytest.approx(float(np.median(matrix.numpy())) / math.log(m))


def test_one_particle_climbs_its_own_gradient() -> None:
    method, drawn = learner(particles=1), batch()
    start = method.start.detach()
    gradient = method.posterior.gradient(start, drawn.support_x, drawn.support_y)
    moved = method.step(start, drawn.support_x, drawn.support_y)
    assert torch.allclose(moved, start + 1e-3 * gradient, rtol=1e-12)


def test_equal_particles_stay_equal() -> None:
    method, drawn = learner(particles=3), batch()
    start = method.start.detach()[:1].expand(3, -1, -1)
    moved = method.step(start, drawn.support_x, drawn.support_y)
    assert torch.allclose(moved[0], moved[1])
    alone = svgd_step(start[:1], method.posterior.gradient(start[:1], *pair(drawn)), 1e-3, 1.0)
    assert torch.allclose(moved[:1], alone)


def pair(drawn: SinusoidBatch) -> tuple[Tensor, Tensor]:
    return drawn.support_x, drawn.support_y


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


def maml(start: Tensor, drawn: SinusoidBatch, rate: float) -> Tensor:
    """Return MAML's meta-loss for one network [D], task by task."""
    losses = []
    for i in range(len(drawn)):
        support = (predict(start, drawn.support_x[i]) - drawn.support_y[i, :, 0]).square().mean()
        (gradient,) = torch.autograd.grad(support, start, create_graph=True)
        adapted = start - rate * gradient
        errors = predict(adapted, drawn.further_x[i]) - drawn.further_y[i, :, 0]
        losses.append(errors.square().mean())
    return torch.stack(losses).mean()


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
