"""ABML and MAML: divergence, adaptation, refits and draws."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Gamma, Normal, kl_divergence

from harness.paper_tests.resume import same_weights, with_and_without_stop
from harness.paper_tests.smoke_plans import smoke_method
from replications.abml.method import ABML
from replications.abml.network import SD, divergence, forward, log_hyperprior, started

CELL = "abml/delta-070-2000"
SMALL = {"tasks.support": 40, "tasks.query": 10}
Both = pytest.mark.parametrize("variant", ["maml", "abml"])


def learner(variant: str, **switches: Any) -> tuple[Any, Any]:
    return smoke_method(CELL, variant, SMALL, **switches)


def prior(seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    params = started((6, 4), 0.3, generator)
    return {k: v + 0.1 * torch.randn(v.shape, generator=generator) for k, v in params.items()}


def test_a_divergence_is_that_of_normals() -> None:
    q, p = prior(0), prior(1)
    wanted = 0.0
    for name in ("w0", "b0", "w1", "b1", "w2", "b2"):
        one, other = (Normal(d[name], d[SD + name].exp()) for d in (q, p))
        wanted += float(kl_divergence(one, other).sum())
    told = divergence({k: v[None] for k, v in q.items()}, p)
    assert told.tolist() == pytest.approx([wanted], rel=1e-5)


def test_the_hyperprior_is_normal_and_gamma() -> None:
    def density(d: dict[str, Tensor]) -> float:
        total = 0.0
        for name, value in d.items():
            if name.startswith(SD):
                total += float(Gamma(2.0, 0.5).log_prob((-2 * value).exp()).sum())
            else:
                total += float(Normal(0.0, 1.0).log_prob(value).sum())
        return total

    one, other = prior(0), prior(1)
    told = log_hyperprior(one, 2.0, 0.5) - log_hyperprior(other, 2.0, 0.5)
    assert float(told) == pytest.approx(density(one) - density(other), rel=1e-3)


def test_outputs_drawn_by_unit_have_the_spread_of_drawn_weights() -> None:
    """With one layer the outputs are normal either way."""
    generator = torch.Generator().manual_seed(0)
    params = started((), 0.3, generator)
    x = torch.randn(1, 1, 2, generator=generator)
    noise = torch.randn(1, 20_000, 5, generator=generator)
    told = forward(params, x.expand(1, 20_000, 2), noise)[0]
    wanted = (0.3**2 * (x.square().sum() + 1)).sqrt()
    assert torch.allclose(told.std(0), wanted.expand(5), rtol=0.03)
    assert torch.allclose(told.mean(0), forward(params, x, None)[0, 0], atol=0.02)


@Both
def test_adaptation_is_gradient_descent_on_each_task_alone(variant: str) -> None:
    method, tasks = learner(variant, method__hidden=[8], method__inner_steps=2)
    batch = tasks.batch("train", 0, 3)
    x, y = (part[:, :40] for part in method.scaled(batch))
    arms, fixed = batch.arms[:, :40], torch.randn(3, 40, method.units)
    together = method.adapt(x, arms, y, lambda points: fixed[:, :points], 40, graph=True)
    for t in range(3):
        current = {k: v.detach() for k, v in method.start.items()}
        for _ in range(2):
            current = {k: v.detach().requires_grad_() for k, v in current.items()}
            draws = fixed[t : t + 1] if variant == "abml" else None
            one = {k: v[None] for k, v in current.items()}
            out = forward(one, x[t : t + 1], draws)[0]
            loss = (y[t] - out[range(40), arms[t]]).square().mean()
            if variant == "abml":
                loss = loss / (2 * 0.1**2) + divergence(one, method.start)[0] / 40
            loss.backward()
            rate = method.settings.inner_rate
            current = {k: v.detach() - rate * v.grad for k, v in current.items()}  # type: ignore[operator]
        for name, value in current.items():
            assert torch.allclose(together[name][t], value, rtol=1e-4, atol=1e-6), name


@Both
def test_adaptation_lowers_what_it_descends(variant: str) -> None:
    method, tasks = learner(variant)
    batch = tasks.batch("train", 0, 8)
    adapted = method.losses(batch).mean()
    method.settings = type(method.settings)(**{**vars(method.settings), "inner_steps": 0})
    assert adapted < method.losses(batch).mean()


@Both
def test_a_stopped_training_goes_on_as_if_it_had_not_stopped(variant: str) -> None:
    _, tasks = learner(variant, method__hidden=[8])
    batches = [tasks.batch("train", 2 * i, 2) for i in range(4)]

    def make() -> Any:
        return learner(variant, method__hidden=[8])[0]

    assert same_weights(*with_and_without_stop(make, batches, 2))


@Both
def test_a_trial_is_played_alike_in_any_company(variant: str) -> None:
    method, tasks = learner(variant, method__hidden=[8])
    together, alone = (
        method.evaluate(tasks.batch("val", first, n)) for first, n in ((0, 3), (1, 1))
    )
    for name in together:
        assert torch.allclose(together[name][1:2], alone[name], rtol=1e-5)


@Both
def test_an_agent_adapts_as_often_as_stated_to_what_it_has_seen(variant: str) -> None:
    method, tasks = learner(variant, method__hidden=[8], method__refit_every=8)
    batch = tasks.batch("val", 0, 2)
    agent, adapt, counts = method.agent(batch), method.adapt, []

    def kept(x: Tensor, arms: Tensor, y: Tensor, noise: Any, count: int, graph: bool) -> Any:
        counts.append(count)
        for t in range(2):
            for point, arm, value in zip(x[t], arms[t], y[t], strict=True):
                [at] = (batch.contexts[t] == point).all(1).nonzero()
                assert int(at) < agent.seen
                assert (int(arm), float(value)) == (int(at) % 5, pytest.approx(float(at) / 50))
        return adapt(x, arms, y, noise, count, graph)

    method.adapt = kept
    for step in range(50):
        x = batch.contexts[:, step]
        if step >= 10:
            agent.choose(x)
        agent.see(x, torch.tensor([step % 5] * 2), torch.tensor([float(step)] * 2))
    assert counts == [10, 18, 26, 34, 40]


def test_abml_draws_weights_where_maml_does_not() -> None:
    method, tasks = learner("abml", method__hidden=[8], method__start_sd=3.0)
    assert isinstance(method, ABML)
    agent = method.agent(tasks.batch("val", 0, 1))
    x = torch.zeros(1, 2)
    assert len({int(agent.choose(x)) for _ in range(50)}) > 1
    greedy, _ = learner("maml", method__hidden=[8])
    agent = greedy.agent(tasks.batch("val", 0, 1))
    assert len({int(agent.choose(x)) for _ in range(50)}) == 1
