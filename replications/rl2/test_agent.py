"""RL²'s network, its update and a short training."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from harness.paper_tests.protocol_tables import published_variant
from harness.run.setup import Setup
from replications.rl2.agent import RL2
from replications.rl2.minibatch import WARM_UP, MinibatchStep, Part, Rule, surrogate
from replications.rl2.network import RecurrentNet, run_together
from replications.rl2.recurrence import recur
from replications.rl2.trials import Trials, play
from replications.rl2.update import advantages, discounted, divergence, improve

CELL = "bandit-10-pulls-5-arms"
SMALL = {"method__units": 16, "method__minibatch": 32}
MDP = {"tasks__states": 4, "tasks__actions": 3, "tasks__horizon": 2, "tasks__episodes": 3}
RULE = Rule(clip=0.1, epochs=2, minibatch=32, most_divergence=0.01, gradient_clip=40.0)


def net(outputs: int = 3, seed: int = 0) -> RecurrentNet:
    return RecurrentNet(5, 8, outputs, torch.Generator().manual_seed(seed)).double()


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def played(policy: RecurrentNet, tasks: int = 64, pulls: int = 4) -> Trials:
    generator = torch.Generator().manual_seed(3)
    inputs = torch.rand(pulls, tasks, 5, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        log_p = policy(inputs).log_softmax(-1)
    actions = torch.randint(3, (pulls, tasks), generator=generator)
    return Trials(inputs, actions, torch.rand(pulls, tasks, generator=generator).double(), log_p)


def agent(cell: str = CELL, **switches: object) -> tuple[RL2, Setup]:
    setup = Setup.at("full", published_variant("rl2", cell, "rl2", **SMALL, **switches))
    method = setup.method(setup.tasks())
    assert isinstance(method, RL2)
    return method, setup


def test_the_network_is_a_gru_with_relu_and_weight_norm() -> None:
    model, x = net(), noise(4, 2, 5)

    def normed(layer: object) -> Tensor:
        direction, length = layer.direction, layer.length  # type: ignore[attr-defined]
        return torch.stack([w / w.norm() * g for w, g in zip(direction, length, strict=True)])

    into, over = normed(model.into).chunk(3), normed(model.over).chunk(3)
    bias = model.into.bias.chunk(3)  # type: ignore[union-attr]
    h, outs = torch.zeros(2, 8, dtype=torch.float64), []
    for part in x:
        z, r = (torch.sigmoid(part @ into[i].T + bias[i] + h @ over[i].T) for i in (0, 1))
        new = F.relu(part @ into[2].T + bias[2] + r * (h @ over[2].T))
        h = (1 - z) * h + z * new
        outs.append(h @ normed(model.out).T + model.out.bias)
    torch.testing.assert_close(model(x), torch.stack(outs))


def test_the_recurrence_has_the_gradient_of_its_steps() -> None:
    came_in = noise(2, 4, 3, 15).requires_grad_()
    over = noise(2, 15, 5).requires_grad_()
    assert torch.autograd.gradcheck(recur, (came_in, over))


def test_networks_side_by_side_give_what_each_gives_alone() -> None:
    policy, value, x = net(), net(1, seed=1), noise(4, 2, 5)
    for one, other in zip((policy, value), run_together([policy, value], x), strict=True):
        torch.testing.assert_close(one(x), other)


@pytest.mark.parametrize("limit", [0.01, 40.0])
def test_a_step_is_that_of_each_network_alone(limit: float) -> None:
    nets, trials, gains = (net(), net(1, seed=1)), played(net()), noise(4, 64)
    alone = [deepcopy(n) for n in nets]
    rule, rows = replace(RULE, gradient_clip=limit), torch.arange(32)
    first, second = (torch.optim.SGD(n.parameters(), lr=0.1) for n in nets)
    MinibatchStep(*nets, (first, second), rule)(Part(trials, gains, gains), rows)
    part = Trials(
        *(x[:, :32] for x in (trials.inputs, trials.actions, trials.rewards, trials.log_p))
    )
    log_p = alone[0](part.inputs).log_softmax(-1)
    losses = (
        -surrogate(log_p, part, gains[:, :32], RULE.clip),
        F.mse_loss(alone[1](part.inputs).squeeze(-1), gains[:, :32]),
    )
    for network, loss, moved in zip(alone, losses, nets, strict=True):
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), limit)
        torch.optim.SGD(network.parameters(), lr=0.1).step()
        for name, weight in network.state_dict().items():
            torch.testing.assert_close(moved.state_dict()[name], weight)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_captured_steps_give_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = []
    for warm_up in (WARM_UP, 1000):  # with so many nothing is captured
        monkeypatch.setattr("replications.rl2.minibatch.WARM_UP", warm_up)
        setup = Setup.at("full", published_variant("rl2", CELL, "rl2", **SMALL))
        setup = replace(setup, device=torch.device("cuda"))
        tasks = setup.tasks()
        method = setup.method(tasks)
        for i in range(3):
            method.train_step(tasks.batch("train", 0, 80), i)
        ends.append(method.weights())
    for name, plain in ends[1].items():
        torch.testing.assert_close(ends[0][name], plain, rtol=1e-3, atol=1e-5)


def test_weights_start_orthogonal_over_time_and_by_glorot_from_the_input() -> None:
    model = RecurrentNet(42, 64, 5, torch.Generator().manual_seed(0))
    for part in model.over.weight().detach().chunk(3):
        torch.testing.assert_close(part @ part.T, torch.eye(64), rtol=0, atol=1e-5)
    sd = (2 / (42 + 64)) ** 0.5
    assert float(model.into.weight().detach().std()) == pytest.approx(sd, rel=0.05)
    assert model.into.bias is not None
    assert not model.into.bias.any()


def test_playing_sees_what_was_done_and_paid() -> None:
    method, setup = agent()
    batch = setup.tasks().batch("train", 0, 8)
    trials = play(method.policy, batch, torch.Generator().manual_seed(0))
    assert trials.inputs[0, 0].tolist() == [1, 0, 0, 0, 0, 0, 1]
    for t in range(9):
        assert torch.equal(trials.inputs[t + 1, :, :5].argmax(-1), trials.actions[t])
        assert torch.equal(trials.inputs[t + 1, :, 5], trials.rewards[t])
        assert torch.equal(trials.rewards[t], batch.pay(t, trials.actions[t]).float())
    with torch.no_grad():
        again = method.policy(trials.inputs).log_softmax(-1)
    torch.testing.assert_close(again, trials.log_p)


def test_playing_mdps_sees_the_state_too_and_which_step_ended_an_episode() -> None:
    method, setup = agent("mdp-10-episodes", **MDP)
    batch = setup.tasks().batch("train", 0, 8)
    trials = play(method.policy, batch, torch.Generator().manual_seed(0))
    assert trials.inputs.shape == (6, 8, 4 + 3 + 2)
    assert trials.inputs[0, 0].tolist() == [1, 0, 0, 0, 1, 0, 0, 0, 1]
    playing = batch.begin()
    for t in range(6):
        state, action, paid, ended = trials.inputs[t].split([4, 3, 1, 1], dim=-1)
        assert torch.equal(state.argmax(-1), playing.states)
        assert bool((ended == (t % 2 == 0)).all())
        if t:
            assert torch.equal(action.argmax(-1), trials.actions[t - 1])
            assert torch.equal(paid[:, 0], trials.rewards[t - 1])
        assert torch.equal(trials.rewards[t], playing.pay(trials.actions[t]).float())
    with torch.no_grad():  # the state of the network is kept over the episodes of a trial
        again = method.policy(trials.inputs).log_softmax(-1)
    torch.testing.assert_close(again, trials.log_p)


def test_advantages_are_sums_of_what_follows() -> None:
    rewards = torch.tensor([[1.0], [0.0], [2.0]])
    assert discounted(rewards, 0.5)[:, 0].tolist() == [1.5, 1.0, 2.0]
    values = torch.tensor([[0.5], [1.0], [-1.0]])
    whole = advantages(rewards, values, 0.9, 1.0)
    torch.testing.assert_close(whole, discounted(rewards, 0.9) - values)
    one = advantages(rewards, values, 0.9, 0.0)[:, 0]
    wanted = [1 + 0.9 * 1.0 - 0.5, 0.9 * -1.0 - 1.0, 2.0 + 1.0]
    np.testing.assert_allclose(one, wanted, rtol=1e-6)


def test_the_surrogate_has_the_policy_gradient_where_nothing_moved() -> None:
    policy = net()
    trials = played(policy)
    gains = noise(4, 64)
    log_p = policy(trials.inputs).log_softmax(-1)
    plain = (log_p.gather(-1, trials.actions.unsqueeze(-1)).squeeze(-1) * gains).mean()
    given = [
        torch.autograd.grad(x, list(policy.parameters()), retain_graph=True)
        for x in (surrogate(log_p, trials, gains, 0.1), plain)
    ]
    for one, other in zip(*given, strict=True):
        torch.testing.assert_close(one, other)
    # Further than the clip there is nothing to gain.
    sure = torch.where(gains.unsqueeze(-1) > 0, trials.log_p + 1, trials.log_p - 1)
    assert float(surrogate(sure, trials, gains, 0.1)) == pytest.approx(
        float((gains + 0.1 * gains.abs()).mean())
    )


@pytest.mark.parametrize("rate", [1e-3, 0.3])
def test_no_update_goes_further_than_the_limit(rate: float) -> None:
    policy, value = net(), net(1, seed=1)
    trials = played(policy)
    gains = noise(4, 64)
    both = [torch.optim.Adam(n.parameters(), lr=rate) for n in (policy, value)]
    before = {k: v.clone() for k, v in policy.state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    step = MinibatchStep(policy, value, (both[0], both[1]), RULE)
    improve(step, Part(trials, gains, gains), generator)
    with torch.no_grad():
        log_p = policy(trials.inputs).log_softmax(-1)
    assert any((v != before[k]).any() for k, v in policy.state_dict().items())
    assert float(divergence(log_p, trials.log_p)) <= RULE.most_divergence
    if rate < 0.1:  # further, a step is cut back and may have gained nothing
        assert surrogate(log_p, trials, gains, 0.1) > surrogate(trials.log_p, trials, gains, 0.1)


@pytest.mark.parametrize(
    ("cell", "small", "gain"), [(CELL, {}, 0.2), ("mdp-10-episodes", MDP, 0.3)]
)
def test_a_short_training_earns_more_and_goes_on_after_a_stop(
    cell: str, small: dict[str, int], gain: float
) -> None:
    method, setup = agent(cell, **small, method__most_divergence=0.1, method__learning_rate=0.01)
    tasks, other = setup.tasks(), setup.method(setup.tasks())
    first = [float(method.train_step(tasks.batch("train", 512 * i, 512), i)) for i in range(6)]
    other.load_weights(method.weights())
    other.load_training_state(deepcopy(method.training_state()))
    rest = [
        [float(m.train_step(tasks.batch("train", 512 * i, 512), i)) for i in range(6, 8)]
        for m in (method, other)
    ]
    assert rest[0] == rest[1]
    assert min(rest[0]) < max(first[:2]) - gain


def test_the_most_probable_arm_is_a_switch_of_the_test() -> None:
    method, setup = agent()
    variant = published_variant("rl2", CELL, "rl2", **SMALL, method__test_arms="most-probable")
    same = replace(setup, variant=variant)
    assert same.training_digest() == setup.training_digest()
    batch = setup.tasks().batch("val", 0, 64)
    drawn, most = (m.evaluate(batch)["reward"] for m in (method, same.method(setup.tasks())))
    assert not torch.equal(drawn, most)
