"""Strategies on bandits against what is known: the optimum, closed forms, printed numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from harness.paper_tests.protocol_tables import published_variant
from harness.paper_tests.smoke_plans import smoke_plan
from harness.report.drawing import draw_record
from harness.run.loop import run
from harness.run.setup import Setup
from harness.tasks.source import BLOCK
from replications.rl2 import policies
from replications.rl2.gittins import indices
from replications.rl2.method import Tuned, total_reward
from replications.rl2.optimal import bayes_optimal, best
from replications.rl2.policies import Seen
from replications.rl2.regret import arms_of, draw_regret, regret
from replications.rl2.tasks import BanditBatch, Bandits, BanditSettings

CELL = "bandit-10-pulls-5-arms"


def bandits(arms: int, pulls: int, count: int) -> BanditBatch:
    source = Bandits(BanditSettings(arms, pulls), 0, 1, torch.device("cpu"))
    batch: BanditBatch = source.batch("val", 0, count)
    return batch


def seen(wins: list[int], losses: list[int], left: int = 5) -> Seen:
    counts = (torch.tensor([x], dtype=torch.float64) for x in (wins, losses))
    return Seen(*counts, left, torch.Generator().manual_seed(0))


def test_the_optimum_is_known() -> None:
    """More arms than pulls add nothing: 6.714 holds for 50 arms too."""
    assert best(((0, 0),) * 5, 10)[0] == pytest.approx(6.6600, abs=5e-5)
    assert best(((0, 0),) * 10, 10)[0] == pytest.approx(6.7140, abs=5e-4)


@pytest.mark.parametrize("arms", [5, 12])
def test_optimal_play_earns_the_optimum(arms: int) -> None:
    optimum = best(((0, 0),) * min(arms, 6), 6)[0]
    played = total_reward(bandits(arms, 6, 40 * BLOCK), bayes_optimal)
    error = float(played.std() / len(played) ** 0.5)
    assert abs(float(played.mean()) - optimum) < 4 * error


def test_with_one_pull_left_the_best_mean_is_optimal_play() -> None:
    assert bayes_optimal(seen([1, 2, 0], [1, 0, 3], left=1)).tolist() == [1]


def test_no_strategy_is_better_than_the_best_there_is() -> None:
    optimum = best(((0, 0),) * 5, 10)[0]
    batch = bandits(5, 10, 40 * BLOCK)
    played = total_reward(batch, policies.gittins)
    error = float(played.std() / len(played) ** 0.5)
    assert optimum - 4 * error - 0.005 < float(played.mean()) < optimum + 4 * error


def index_of(wins: int, losses: int, left: int) -> float:
    """Return the index by bisection, for one arm alone."""

    @cache
    def value(a: int, b: int, s: int, rate: float) -> float:
        return max(s * rate, go_on(a, b, s, rate)) if s else 0.0

    def go_on(a: int, b: int, s: int, rate: float) -> float:
        p = (a + 1) / (a + b + 2)
        return p * (1 + value(a + 1, b, s - 1, rate)) + (1 - p) * value(a, b + 1, s - 1, rate)

    low, high = 0.0, 1.0
    for _ in range(30):
        rate = (low + high) / 2
        low, high = (rate, high) if go_on(wins, losses, left, rate) > left * rate else (low, rate)
    return low


@pytest.mark.parametrize(("wins", "losses", "left"), [(0, 0, 1), (0, 0, 8), (2, 1, 5), (0, 3, 4)])
def test_the_index_is_that_of_a_sure_payment(wins: int, losses: int, left: int) -> None:
    found = indices(8)[left, wins, losses]
    assert found == pytest.approx(index_of(wins, losses, left), abs=1 / 200)
    mean = (wins + 1) / (wins + losses + 2)
    assert found >= mean - 1 / 200
    if left == 1:
        assert found == pytest.approx(mean, abs=1 / 200)


def test_beliefs_are_beta_posteriors() -> None:
    given = seen([3, 0], [1, 6])
    drawn = given.beliefs(20000)[:, 0]
    a, b = torch.tensor([4.0, 1.0]), torch.tensor([2.0, 7.0])
    torch.testing.assert_close(drawn.mean(0).float(), a / (a + b), rtol=0, atol=0.005)
    variance = a * b / (a + b).square() / (a + b + 1)
    torch.testing.assert_close(drawn.var(0).float(), variance, rtol=0.05, atol=0)


def test_equal_arms_are_pulled_in_order() -> None:
    fresh = seen([0, 0, 0], [0, 0, 0])
    for rule in (policies.gittins, partial(policies.ucb1, exploration=0.5)):
        assert rule(fresh).tolist() == [0]
    assert policies.epsilon_greedy(seen([1, 2, 2], [0, 0, 0]), 0.0).tolist() == [1]


def test_ucb1_is_its_formula() -> None:
    counts = seen([3, 0, 1], [1, 2, 1])
    wins, pulled = np.array([4.0, 1, 2]), np.array([6.0, 4, 4])
    for constant in (0.0, 0.3, 1.0):
        index = wins / pulled + constant * np.sqrt(2 * np.log(pulled.sum()) / pulled)
        assert int(policies.ucb1(counts, constant)) == int(index.argmax())


def test_an_optimistic_draw_is_the_most_probable_one(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = torch.tensor([[[0.9, 0.2]], [[0.4, 0.7]], [[0.1, 0.95]]], dtype=torch.float64)
    monkeypatch.setattr(Seen, "beliefs", lambda self, samples: draws[:samples])
    # Beta(1, 3) and Beta(3, 1): the second draw is the most probable of the three but one.
    assert policies.optimistic_thompson(seen([0, 2], [2, 0]), 3).tolist() == [1]
    assert policies.optimistic_thompson(seen([2, 0], [0, 2]), 3).tolist() == [0]


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        (policies.random_arm, 5.0),
        (policies.thompson, 5.84),
        (partial(policies.optimistic_thompson, samples=20), 6.44),
        (partial(policies.ucb1, exploration=0.1), 6.66),
        (partial(policies.epsilon_greedy, epsilon=0.1), 6.41),
        (partial(policies.epsilon_greedy, epsilon=0.0), 6.55),
    ],
    ids=["random", "thompson", "optimistic", "ucb1", "epsilon", "greedy"],
)
def test_rewards_are_those_of_another_simulation(
    rule: Callable[[Seen], Tensor], wanted: float
) -> None:
    played = total_reward(bandits(5, 10, 16 * BLOCK), rule)
    assert float(played.mean()) == pytest.approx(wanted, abs=4 * 2.3 / len(played) ** 0.5)


def test_a_task_scores_the_same_in_whatever_company() -> None:
    setup = Setup.at("full", published_variant("rl2", CELL, "thompson"))
    tasks = setup.tasks()
    score = setup.method(tasks).scoring(tasks, "val", 2 * BLOCK)
    whole = score(0, 2 * BLOCK)["reward"]
    assert torch.equal(score(BLOCK - 3, 10)["reward"], whole[BLOCK - 3 : BLOCK + 7])


def test_the_constant_is_the_best_of_the_grid_and_is_kept() -> None:
    setup = Setup.at("full", published_variant("rl2", CELL, "ucb1"))
    tasks = setup.tasks()
    method, fresh = setup.method(tasks), setup.method(tasks)
    assert isinstance(method, Tuned)
    validation = tasks.batch("val", 0, 4 * BLOCK)
    method.finalise(validation)
    constant = float(method.weights()["constant"])
    rewards = {
        c: float(total_reward(validation, partial(policies.ucb1, exploration=c)).mean())
        for c in method.settings.grid
    }
    assert constant == max(rewards, key=lambda c: rewards[c])
    fresh.load_weights(method.weights())
    assert torch.equal(fresh.evaluate(validation)["reward"], method.evaluate(validation)["reward"])
    assert f"constant {constant:g}" in method.training_note()


def test_more_pulls_or_arms_keep_the_first_ones() -> None:
    small, large = bandits(3, 5, 4), bandits(6, 9, 4)
    assert torch.equal(small.chances, large.chances[:, :3])
    assert torch.equal(small.draws, large.draws[:, :5])
    assert small.chances.mean() != large.draws.mean()


def test_regret_is_what_the_best_arm_pays_more() -> None:
    batch = bandits(5, 8, 20 * BLOCK)
    best = batch.chances.argmax(1).expand(8, -1)
    assert (regret(batch, best) == 0).all()
    any_arm = regret(batch, arms_of(batch, policies.random_arm))
    # The greatest of five uniform chances is 5/6 on average, any of them 1/2.
    wanted = torch.arange(1, 9) * (5 / 6 - 1 / 2)
    assert torch.allclose(any_arm, wanted.double(), atol=0.03)
    played = float(total_reward(batch, policies.thompson).mean())
    lost = float(regret(batch, arms_of(batch, policies.thompson))[-1])
    assert lost == pytest.approx(8 * float(batch.chances.max(1).values.mean()) - played, abs=0.05)


def test_regret_is_drawn_from_a_record(tmp_path: Path) -> None:
    small = {"method__units": 8, "method__minibatch": 32}
    record = run(smoke_plan(tmp_path, f"rl2/{CELL}", "rl2", None, **small))
    assert draw_record(draw_regret, [str(record), str(tmp_path / "regret.svg")]) == 0
    assert "Gittins" in (tmp_path / "regret.svg").read_text("utf-8")
