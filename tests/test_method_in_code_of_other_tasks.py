"""The code of the pages of papers without images, as in `test_method_in_code.py`: float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.method_in_code import code, double  # noqa: F401 - a fixture


def test_rl2() -> None:
    from replications.rl2.method import total_reward
    from replications.rl2.policies import ucb1
    from replications.rl2.tasks import BanditBatch

    chances, draws, seeds = torch.rand(5, 4), torch.rand(5, 30), torch.arange(5)
    wanted = total_reward(BanditBatch(chances, draws, seeds), lambda seen: ucb1(seen, 0.3))
    told = [code("rl2")(*bandit, 0.3) for bandit in zip(chances, draws, strict=True)]
    assert len({float(x) for x in told}) > 1
    assert_close(torch.stack(told), wanted)


@pytest.mark.parametrize("count", [0, 5])
def test_neural_processes(count: int) -> None:
    from harness.paper_tests.smoke_plans import smoke_method

    torch.set_default_dtype(torch.float32)
    method, tasks = smoke_method("neural_processes/periodic", "cnp")
    torch.set_default_dtype(torch.float64)
    batch, network = tasks.batch("val", 0, 1), method.model.double()
    context = batch.context(count)
    known = context.index[0][:count]
    told = code("neural_processes")(
        network.encode.inputs,
        network.encode.points,
        network.decode,
        batch.scaled[0],
        batch.y[0],
        known,
        method.settings.least_deviation,
    )
    mean, deviation = method.predict(batch, context)
    loss = -method.score(batch, context)["log_likelihood"]
    assert_close(list(told), [mean[0], deviation[0], loss[0]])


def test_es_maml() -> None:
    from harness.noise import step_generator
    from harness.paper_tests.smoke_plans import smoke_method

    method, tasks = smoke_method(
        "es_maml/square", "hill-climbing", method__pairs=3, method__queries=4
    )
    s, batch, start = method.settings, tasks.batch("train", 0, 7), method.policy
    noise = step_generator(method.noise_seed, 0, torch.device("cpu"))
    half = torch.randn(3, 6, generator=noise)
    directions = torch.cat([half, -half, torch.zeros(1, 6)])
    proposals = torch.randn(4, 7, 6, generator=noise)
    empty = method.normaliser

    def episode(policy: Tensor, task: int) -> Tensor:
        from replications.es_maml.rollouts import walk

        goal = batch.goals[task : task + 1]
        return walk("square", 100, policy[None], goal, empty).returns[0]

    told = code("es_maml")(
        start, directions, proposals, episode, s.sigma, s.adaptation_sigma, s.rate
    )
    method.train_step(batch, 0)
    assert not torch.equal(start, method.policy)
    assert_close(told, method.policy)


def test_deepcoder() -> None:
    from types import SimpleNamespace

    from replications.deepcoder.consistent import consistent_programs
    from replications.deepcoder.language import ATTRIBUTES, OPERATIONS
    from replications.deepcoder.method import nodes
    from replications.deepcoder.test_search import README_EXAMPLE, batch_of, plain

    found = consistent_programs(batch_of(README_EXAMPLE, "list-int"), 0, 0)
    inputs = list(zip((True, False), README_EXAMPLE["inputs"], strict=True))
    operations = [
        SimpleNamespace(**vars(o), on=lambda *given, name=o.name: plain(name, *given))
        for o in OPERATIONS
    ]
    for guess in torch.rand(6, 34):
        right = [ATTRIBUTES.index(name) for name in ("SORT", "ACCESS", "HEAD")]
        guess[right] = 1 - guess[right] / 4
        probability = dict(zip(ATTRIBUTES, guess.tolist(), strict=True))
        told = code("deepcoder")(inputs, README_EXAMPLE["output"], operations, probability, 3)
        assert told == nodes(guess.numpy(), found, "list-int", "depth-first", False)


def test_ntm() -> None:
    from replications.ntm.memory import heads, rotations, step

    memory, numbers = torch.randn(1, 6, 4), torch.randn(1, 4 * 4 + 6 + 2 * 3)
    before = torch.randn(1, 2, 6).softmax(-1)
    _, weighting, _ = step(memory, before, numbers, rotations(6, 3).double())
    told = heads(numbers, 4, 3)
    for head in range(2):
        numbers_of_head = (told.strengths, told.gates, told.shifts, told.sharpness)
        strength, gate, shift, sharpness = (part[0, head] for part in numbers_of_head)
        weights = code("ntm")(
            memory[0], before[0, head], told.keys[0, head], strength, gate, shift, sharpness
        )
        assert_close(weights, weighting[0, head])


def test_learned_optimizer() -> None:
    from harness.paper_tests.smoke_plans import smoke_method
    from replications.learned_optimizer.tasks import QuadraticBatch
    from replications.learned_optimizer.test_lstm import UNITS, to_torch_order, torch_twin

    method, tasks = smoke_method(
        "learned_optimizer/quadratics-uniform", "lstm", method__units=[UNITS, UNITS]
    )
    method._place(dtype=torch.float64)
    drawn = tasks.batch("train", 0, 1)
    problems = QuadraticBatch(*(p.double() for p in (drawn.matrix, drawn.target, drawn.start)))
    x, s = problems.start, method.settings
    zeros = method.network.zero_state(x.numel())
    wanted, gradients, _, _ = method.meta_gradient(problems, x, zeros)
    lstm, linear = torch_twin(method.network)
    state = (torch.zeros(2, x.numel(), UNITS), torch.zeros(2, x.numel(), UNITS))

    def f(at: Tensor) -> Tensor:
        total: Tensor = problems.losses_and_gradients(at)[0].mean()
        return total

    told = code("learned_optimizer")(lstm, linear, f, x.requires_grad_(), state, s.unroll)
    assert_close(told, wanted)
    told.backward()
    assert_close(linear.weight.grad[0], gradients[2][0, 1:])
    assert_close(lstm.weight_hh_l0.grad, to_torch_order(gradients[0])[:, -UNITS:])


def test_bmaml() -> None:
    from harness.paper_tests.smoke_plans import smoke_method

    method, tasks = smoke_method("bmaml/sinusoid-100-tasks-5shot", "bmaml", method__particles=4)
    batch, rate = tasks.batch("train", 0, 1), method.settings.inner_rate
    support = torch.stack([batch.support_x, batch.support_y])
    more = torch.cat([support, torch.stack([batch.further_x, batch.further_y])], 2)

    def log_density(particle: Tensor, points: Tensor) -> Tensor:
        return method.posterior.log_density(particle[None, None], *points).squeeze()

    start = method.particles
    wanted = method.loss(batch)
    told = code("bmaml")(start, log_density, support, more, rate)
    assert_close(told, wanted)
    gradients = [torch.autograd.grad(loss, start)[0] for loss in (told, wanted)]
    assert float(gradients[0].abs().max()) > 1e-6
    assert_close(*gradients, rtol=1e-6, atol=1e-10)
