"""Tabular MDPs as they are drawn and played, and what is believed of them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from harness.tasks.source import BLOCK
from replications.rl2.beliefs import Beliefs, Prior
from replications.rl2.mdps import MdpBatch, MdpSettings, TabularMdps


def mdps(
    count: int, episodes: int = 3, states: int = 10, actions: int = 5, horizon: int = 10
) -> MdpBatch:
    settings = MdpSettings(states, actions, horizon, episodes)
    batch: MdpBatch = TabularMdps(settings, 0, 1, torch.device("cpu")).batch("val", 0, count)
    return batch


def test_means_are_normal_and_transitions_uniform() -> None:
    batch = mdps(2 * BLOCK)
    means, chances = batch.means, batch.transitions
    error = 4 / means.numel() ** 0.5
    assert float(means.mean()) == pytest.approx(1, abs=error)
    assert float(means.std()) == pytest.approx(1, abs=error)
    torch.testing.assert_close(chances.sum(-1), torch.ones_like(means))
    # Each of ten by Beta(1, 9): variance 9 / (100 * 11), and more than x with chance (1 - x)^9.
    assert float(chances.var()) == pytest.approx(9 / 1100, rel=0.02)
    assert float((chances > 0.2).double().mean()) == pytest.approx(0.8**9, rel=0.02)


def test_rewards_are_means_with_noise_of_deviation_one() -> None:
    batch = mdps(2 * BLOCK, episodes=4)
    playing, far = batch.begin(), []
    generator = torch.Generator().manual_seed(0)
    for _ in range(batch.steps):
        states = playing.states
        actions = torch.randint(5, (len(batch),), generator=generator)
        far.append(playing.pay(actions) - batch.means[torch.arange(len(batch)), states, actions])
    noise = torch.stack(far)
    assert float(noise.mean()) == pytest.approx(0, abs=4 / noise.numel() ** 0.5)
    assert float(noise.std()) == pytest.approx(1, abs=4 / noise.numel() ** 0.5)


def test_next_states_come_with_their_chances() -> None:
    one = mdps(1, episodes=4000, states=3, actions=2, horizon=2)
    playing, counts = one.begin(), torch.zeros(2, 3)
    for step in range(one.steps):
        action = torch.tensor([step // 2 % 2])
        playing.pay(action)
        if step % 2 == 0:  # from state 0
            counts[int(action), playing.states] += 1
    torch.testing.assert_close(counts / 2000, one.transitions[0, 0].float(), rtol=0, atol=0.045)


def test_an_episode_ends_after_its_horizon_in_state_0() -> None:
    batch = mdps(64, episodes=2)
    playing = batch.begin()
    assert playing.ended
    for step in range(1, 21):
        playing.pay(torch.zeros(64, dtype=torch.int64))
        assert playing.ended == (step in (10, 20))
        assert bool((playing.states == 0).all()) == playing.ended
        assert torch.equal(playing.observed().argmax(-1), playing.states)
    assert batch.steps == 20


def test_the_same_actions_meet_the_same_luck() -> None:
    batch = mdps(8)
    paid = [[p.pay(torch.arange(8) % 5) for _ in range(30)] for p in (batch.begin(), batch.begin())]
    torch.testing.assert_close(torch.stack(paid[0]), torch.stack(paid[1]), rtol=0, atol=0)


def test_more_episodes_keep_the_first_ones() -> None:
    small, large = mdps(4, episodes=2), mdps(4, episodes=5)
    for name in ("means", "transitions", "seeds"):
        assert torch.equal(getattr(small, name), getattr(large, name))
    assert torch.equal(small.draws, large.draws[:, :2])
    assert torch.equal(small.noise, large.noise[:, :2])


def beliefs(prior: Prior) -> tuple[Beliefs, Tensor]:
    """Return what is believed after (state, action, reward, next): (0, 1, 2.0, 2), (0, 1, 5.0, 2)
    and, at the end of an episode, (0, 1, -1.0, none)."""
    batch = mdps(1, states=3, actions=2)
    believed = Beliefs(prior, batch)
    state, action = torch.tensor([0]), torch.tensor([1])
    for paid, after in ((2.0, 2), (5.0, 2), (-1.0, None)):
        to = None if after is None else torch.tensor([after])
        believed.see(state, action, torch.tensor([paid], dtype=torch.float64), to)
    return believed, torch.tensor([0.0, 2.0])


def test_posteriors_are_conjugate() -> None:
    believed, _ = beliefs(Prior(prior_mean=1.0, prior_precision=2.0, prior_weight=0.5))
    # By density on a grid: a normal prior times three normal likelihoods.
    grid = torch.linspace(-10, 10, 20001, dtype=torch.float64)
    log = -(grid - 1).square() - sum((grid - r).square() / 2 for r in (2.0, 5.0, -1.0))
    weight = log.softmax(0)
    mean = (weight * grid).sum()
    variance = (weight * (grid - mean).square()).sum()
    assert float(believed.means[0, 0, 1]) == pytest.approx(float(mean), abs=1e-6)
    assert float(1 / believed.precisions[0, 0, 1]) == pytest.approx(float(variance), rel=1e-5)
    assert float(believed.means[0, 0, 0]) == 1.0
    assert believed.weights[0, 0, 1].tolist() == [0.5, 0.5, 2.5]
    assert believed.transitions[0, 0, 1].tolist() == pytest.approx([1 / 7, 1 / 7, 5 / 7])
    assert believed.transitions[0, 1, 1].tolist() == pytest.approx([1 / 3] * 3)


def test_drawn_mdps_have_the_moments_of_the_posterior() -> None:
    believed, _ = beliefs(Prior(prior_mean=1.0, prior_precision=2.0, prior_weight=1.0))
    generator = torch.Generator().manual_seed(0)
    drawn = [believed.draw(generator) for _ in range(4000)]
    rewards, chances = (torch.stack(x)[:, 0, 0, 1] for x in zip(*drawn, strict=True))
    assert float(rewards.mean()) == pytest.approx(8 / 5, abs=0.03)
    assert float(rewards.var()) == pytest.approx(1 / 5, rel=0.1)
    law = torch.tensor([0.2, 0.2, 0.6], dtype=torch.float64)  # Dirichlet(1, 1, 3)
    torch.testing.assert_close(chances.mean(0), law, rtol=0, atol=0.015)
    torch.testing.assert_close(chances.var(0), law * (1 - law) / 6, rtol=0.1, atol=0)
