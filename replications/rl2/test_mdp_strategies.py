"""Strategies on tabular MDPs against closed forms, printed numbers and the best there is."""

from __future__ import annotations

import math

import pytest
import torch

from harness.paper_tests.protocol_tables import published_variant
from harness.run.setup import Setup
from harness.tasks.source import BLOCK
from replications.rl2.beliefs import Beliefs, Prior
from replications.rl2.mdp_play import Plan, best_action, total_reward
from replications.rl2.mdp_strategies import confident, expecting, sampling, with_bonus
from replications.rl2.planning import values
from replications.rl2.test_mdps import mdps

CELL = "mdp-10-episodes"
USUAL, TRUE = Prior(0.0, 1.0, 1.0), Prior(1.0, 1.0, 1.0)
VAGUE, VAGUER = Prior(0.0, 1e-4, 1e-4), Prior(0.0, 1e-4, 1e-5)
PLANS = {
    "psrl": (USUAL, sampling(1, 10), 0.0, 138.1),
    "greedy": (VAGUE, expecting(10), 0.0, 134.8),
    "epsilon-greedy": (VAGUE, expecting(10), 0.1, 132.8),
    "ucrl2": (VAGUER, confident(0.0631, 0.05, 10), 0.0, 146.6),
    "beb": (USUAL, with_bonus(0.002512, 10), 0.0, 150.2),
    "random": (USUAL, expecting(10), 1.0, 100.0),
}


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("name", PLANS)
def test_rewards_are_near_the_printed_ones_and_none_is_above_the_best(name: str) -> None:
    prior, plan, epsilon, printed = PLANS[name]
    batch = mdps(2 * BLOCK, episodes=10)
    played = total_reward(batch, prior, plan, epsilon)
    error = float(played.std()) / len(played) ** 0.5
    assert float(played.mean()) == pytest.approx(printed, abs=4 * error)
    short = 10 * best(batch) - played
    assert float(short.mean()) > -4 * float(short.std()) / len(short) ** 0.5


def best(batch: object) -> torch.Tensor:
    """Return the expected reward [T] of an episode of best play."""
    planned = values(batch.means, batch.transitions, 10)  # type: ignore[attr-defined]
    return planned[:, 0, 0].amax(-1)


def test_the_oracle_earns_what_best_play_can_expect() -> None:
    """218.4 ± 0.2 in ten episodes, by another simulation."""
    known = mdps(16 * BLOCK, episodes=1)
    assert float(10 * best(known).mean()) == pytest.approx(218.4, abs=1.0)
    setup = Setup.at("full", published_variant("rl2", CELL, "oracle"))
    tasks = setup.tasks()
    batch = tasks.batch("val", 0, 2 * BLOCK)
    more = setup.method(tasks).evaluate(batch)["reward"] - 10 * best(batch)
    # What is left is noise of 100 rewards and of where they led.
    assert float(more.mean()) == pytest.approx(0, abs=4 * float(more.std()) / len(more) ** 0.5)
    assert float(more.std()) < 25


def test_the_true_prior_earns_more_where_no_action_is_preferred() -> None:
    """Greedy play with the true prior: 154 with random ties, 149.7 in another simulation."""
    batch = mdps(2 * BLOCK, episodes=10)
    usual, true = (total_reward(batch, p, expecting(10)) for p in (VAGUE, TRUE))
    assert float((true - usual).mean()) > 10
    assert float(true.mean()) == pytest.approx(152, abs=6)


def seen_once() -> Beliefs:
    """Return beliefs of one learner of one-step MDPs: in state 0 action 1 paid 3 and led to 2."""
    batch = mdps(1, states=3, actions=2, horizon=1)
    believed = Beliefs(USUAL, batch)
    three = torch.tensor([3.0], dtype=torch.float64)
    believed.see(torch.tensor([0]), torch.tensor([1]), three, torch.tensor([2]))
    return believed


def planned(plan: Plan, episode: int = 0) -> torch.Tensor:
    return plan(seen_once(), episode, rng())[0, 0]


def test_plans_of_one_step_are_their_formulas() -> None:
    assert planned(expecting(1))[0].tolist() == [0.0, 1.5]
    assert planned(with_bonus(0.3, 1))[0].tolist() == pytest.approx([1 / 2, 1.5 + 1 / 3])
    for episode in (0, 4):
        width = 0.2 * math.sqrt(4 * math.log(2 * 3 * 2 * (episode + 2) / 0.05))
        assert planned(confident(0.2, 0.05, 1), episode)[0].tolist() == pytest.approx(
            [width, 1.5 + width]
        )


def test_bonus_and_slack_of_transitions_shrink_with_what_was_seen() -> None:
    """Two steps: the later one adds what the transitions may be better by."""
    bonus = planned(with_bonus(0.25, 2))
    plain = planned(with_bonus(1e-12, 2))
    # 2 H³ / 4 = 4 over 1 + 3 parameters, one more where a transition was seen.
    wanted = torch.tensor([4 / 4, 4 / 5], dtype=torch.float64)
    torch.testing.assert_close((bonus - plain)[0], wanted)


def test_several_samples_give_the_greatest_values_of_each() -> None:
    generator, believed = rng(), seen_once()
    one_by_one = torch.stack([sampling(1, 4)(believed, 0, generator) for _ in range(3)])
    assert torch.equal(sampling(3, 4)(believed, 0, rng()), one_by_one.amax(0))


def test_equal_actions_are_taken_equally_often_and_any_with_epsilon() -> None:
    given = torch.tensor([[1.0, 2.0, 2.0, 0.0]]).expand(20000, 4)
    equal = best_action(given, 0.0, rng()).bincount(minlength=4) / 20000
    torch.testing.assert_close(equal, torch.tensor([0, 0.5, 0.5, 0]), rtol=0, atol=0.015)
    often = best_action(given, 0.4, rng()).bincount(minlength=4) / 20000
    torch.testing.assert_close(often, torch.tensor([0.1, 0.4, 0.4, 0.1]), rtol=0, atol=0.015)


def test_an_mdp_scores_the_same_in_whatever_company() -> None:
    setup = Setup.at("full", published_variant("rl2", CELL, "psrl", tasks__episodes=2))
    tasks = setup.tasks()
    score = setup.method(tasks).scoring(tasks, "val", 2 * BLOCK)
    whole = score(0, 2 * BLOCK)["reward"]
    assert torch.equal(score(BLOCK - 3, 10)["reward"], whole[BLOCK - 3 : BLOCK + 7])
