"""Episodes, adaptation and update against plain loops, and bounds against their closed forms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from harness.errors import HarnessError
from harness.paper_tests.protocol_tables import published_variant
from harness.paper_tests.resume import same_weights, with_and_without_stop
from harness.paper_tests.smoke_plans import smoke_plan
from harness.report.drawing import draw_record
from harness.run.loop import run
from harness.run.setup import Setup
from harness.tasks.source import BLOCK
from replications.es_maml import paths
from replications.es_maml.adaptation import hill_climbing, monte_carlo, standardised
from replications.es_maml.method import ESMAML
from replications.es_maml.rollouts import Normaliser, walk
from replications.es_maml.tasks import NavigationBatch, goals

CELLS = {"corners": "four-corners", "square": "square"}
WORLDS = tuple(CELLS)
Worlds = pytest.mark.parametrize("world", WORLDS)


def setup(world: str = "corners", variant: str = "hill-climbing", **switches: Any) -> Setup:
    given = {f"method__{name}": value for name, value in switches.items()}
    return Setup.at("full", published_variant("es_maml", CELLS[world], variant, **given))


def learner(world: str = "corners", variant: str = "hill-climbing", **switches: Any) -> ESMAML:
    made = setup(world, variant, **switches)
    method = made.method(made.tasks())
    assert isinstance(method, ESMAML)
    return method


def normals(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def batch(world: str, count: int) -> NavigationBatch:
    tasks: NavigationBatch = setup(world).tasks().batch("train", 0, count)
    return tasks


def episode(
    world: str, horizon: int, policy: np.ndarray, goal: np.ndarray, mean: Any, deviation: Any
) -> tuple[float, np.ndarray]:
    """Walk one policy as the authors' `rl_extended_rollout` and `task.py` do."""
    weights, bias = policy[:4].reshape(2, 2), policy[4:]
    place, total, places = np.zeros(2), 0.0, []
    for _ in range(horizon):
        action = np.tanh(weights @ ((place - mean) / deviation) + bias)
        bound = 5.0 if world == "corners" else 1.0
        place = np.clip(place + np.clip(action, -0.1, 0.1), -bound, bound)
        squared = float(((place - goal) ** 2).sum())
        paid = -4.0 + max(0.0, 4.0 - squared) if world == "corners" else -squared
        total += paid
        places.append(place)
        if world == "square" and paid >= -0.01:
            break
    return total, np.array(places)


@Worlds
def test_episodes_are_those_of_a_plain_loop(world: str) -> None:
    policies, tasks = 0.3 * normals(40, 6), batch(world, 40)
    policies[0, 4:] = torch.atanh(tasks.goals[0] / 40)  # comes to its goal
    policies[0, :4] = 0
    mean, deviation = np.array([0.1, -0.2]), np.array([0.7, 1.3])
    sums = torch.from_numpy(10 * mean)
    squares = torch.from_numpy(10 * (deviation**2 + mean**2))
    normaliser = Normaliser(torch.tensor(10.0, dtype=torch.float64), sums, squares)
    walked = walk(world, 60, policies, tasks.goals, normaliser, keep_path=True)  # type: ignore[arg-type]
    plain = [
        episode(world, 60, p.numpy(), g.numpy(), mean, deviation)
        for p, g in zip(policies, tasks.goals, strict=True)
    ]
    assert walked.returns.tolist() == pytest.approx([r for r, _ in plain], rel=1e-10)
    places = np.concatenate([p for _, p in plain])
    assert float(walked.places.steps) == len(places)
    assert walked.places.sums.tolist() == pytest.approx(places.sum(0).tolist(), rel=1e-9)
    assert walked.places.squares.tolist() == pytest.approx((places**2).sum(0).tolist(), rel=1e-9)
    assert np.allclose(walked.path[: len(plain[5][1]), :, 5].numpy(), plain[5][1])


def test_an_episode_in_the_square_ends_at_the_goal() -> None:
    tasks = batch("square", 40)
    policies = torch.cat([torch.zeros(40, 4), torch.atanh(tasks.goals / 20)], 1).double()
    walked = walk("square", 100, policies, tasks.goals, Normaliser.empty(torch.device("cpu")))
    assert float(walked.places.steps) < 25 * 40


def test_places_are_normalised_by_all_that_were_visited() -> None:
    empty = Normaliser.empty(torch.device("cpu"))
    mean, deviation = empty.mean_and_deviation()
    assert (mean == 0).all()
    assert (deviation == 1).all()
    points = normals(7, 2)
    half = [
        Normaliser(torch.tensor(float(len(p))).double(), p.sum(0), p.square().sum(0))
        for p in points.split(4)
    ]
    mean, deviation = half[0].plus(half[1]).mean_and_deviation()
    assert torch.allclose(mean, points.mean(0))
    assert torch.allclose(deviation, points.std(0, correction=0))
    still = Normaliser(torch.tensor(3.0).double(), torch.zeros(2), torch.zeros(2))
    assert (still.mean_and_deviation()[1] == 1).all()


@pytest.mark.parametrize(
    ("cell", "variant", "wanted"),
    [
        ("four-corners", "to-the-goal", -40.3),
        ("four-corners", "one-corner", (-40.3 - 3 * 400) / 4),
        ("four-corners", "stay", -400.0),
    ],
)
def test_bounds_of_the_corners_are_known(cell: str, variant: str, wanted: float) -> None:
    made = Setup.at("full", published_variant("es_maml", cell, variant))
    tasks = made.tasks()
    tasks.end_training()
    scores = made.method(tasks).evaluate(tasks.batch("test", 0, 400))
    assert float(scores["reward"].mean()) == pytest.approx(wanted, abs=1e-9)


def test_bounds_of_the_square_are_known() -> None:
    """Staying pays the squared distance at each step, but once where the goal is at hand."""
    tasks = setup("square").tasks().batch("val", 0, 2 * BLOCK)
    squared = tasks.goals.square().sum(1)
    told = {}
    for variant in ("stay", "to-the-goal"):
        made = Setup.at("full", published_variant("es_maml", "square", variant))
        told[variant] = made.method(made.tasks()).evaluate(tasks)["reward"]
    assert torch.allclose(told["stay"], -torch.where(squared <= 0.01, 1, 100) * squared)
    distance = tasks.goals.abs().max(1).values
    assert (told["to-the-goal"] <= 0).all()
    assert float(told["to-the-goal"].mean()) == pytest.approx(-1.35, abs=0.1)
    assert (told["to-the-goal"][distance > 0.3] < -0.02).all()


@Worlds
def test_no_policy_returns_more_than_going_straight_to_the_goal(world: str) -> None:
    tasks = setup(world).tasks().batch("val", 0, 64)
    bound = Setup.at("full", published_variant("es_maml", CELLS[world], "to-the-goal"))
    most = bound.method(bound.tasks()).evaluate(tasks)["reward"]
    policies = 0.5 * normals(64, 6)
    policies[:, 4:] += 0.05 * tasks.goals
    walked = walk(world, 100, policies, tasks.goals, Normaliser.empty(torch.device("cpu")))  # type: ignore[arg-type]
    assert (walked.returns <= most + 1e-9).all()


def test_goals_are_the_authors() -> None:
    """`np.random.seed(task_id)` and one draw; corners in turn."""
    drawn = goals("square", np.arange(50, 53))
    for row, number in zip(drawn, (50, 51, 52), strict=True):
        np.random.seed(number)  # noqa: NPY002 - the authors' own generator
        assert row.tolist() == np.random.uniform(low=-1.0, high=1.0, size=2).tolist()  # noqa: NPY002
    corners = goals("corners", np.arange(5)).tolist()
    assert corners == [[2, 2], [-2, 2], [-2, -2], [2, -2], [2, 2]]


def test_training_and_test_tasks_are_others() -> None:
    source = setup("square").tasks()
    train = source.batch("train", 0, 8 * BLOCK).goals.unique(dim=0)
    val = source.batch("val", 0, BLOCK).goals.unique(dim=0)
    source.end_training()
    test = source.batch("test", 0, BLOCK).goals.unique(dim=0)
    assert (len(train), len(val), len(test)) == (50, BLOCK, BLOCK)
    assert len(torch.cat([train, val, test]).unique(dim=0)) == 50 + 2 * BLOCK
    assert np.allclose(test.numpy(), np.unique(goals("square", np.arange(50, 306)), axis=0))


def squares(policies: Tensor) -> Tensor:
    """Return something that is greatest at (1, …, 1)."""
    return -(policies - 1).square().sum(-1)


def test_a_monte_carlo_step_is_that_of_a_plain_loop() -> None:
    """`MCBlackboxOptimizer.run_step`, for each policy."""
    start, drawn = normals(3, 6), normals(20, 3, 6, seed=1)
    adapted, before = monte_carlo(start, squares, drawn, 0.1, 0.05)
    assert torch.equal(before, squares(start))
    for task in range(3):
        tried = [0.1 * d for d in drawn[:, task].numpy()]
        returned = [float(squares(start[task] + torch.from_numpy(p))) for p in tried]
        every = [*returned, float(before[task])]
        mean, deviation = sum(every) / 21, np.std(np.array(every))
        gradient = sum((r - mean) / deviation * p for r, p in zip(returned, tried, strict=True))
        wanted = start[task].numpy() + 0.05 * gradient / 0.1**2 / 20
        assert np.allclose(adapted[task].numpy(), wanted)


def test_equal_returns_move_no_policy() -> None:
    start = normals(3, 6)

    def flat(policies: Tensor) -> Tensor:
        return torch.full(policies.shape[:-1], -400.0, dtype=torch.float64)

    assert torch.equal(monte_carlo(start, flat, normals(20, 3, 6), 0.1, 0.05)[0], start)
    assert torch.equal(hill_climbing(start, flat, normals(20, 3, 6), 0.1)[0], start)
    assert (standardised(flat(start)) == 0).all()


def test_hill_climbing_is_that_of_a_plain_loop() -> None:
    """`HillClimbAdaptation.adaptation_step`, for each policy."""
    start, drawn = normals(3, 6), normals(20, 3, 6, seed=1)
    adapted, before = hill_climbing(start, squares, drawn, 0.3)
    for task in range(3):
        policy, best = start[task], float(before[task])
        for step in drawn[:, task]:
            returned = float(squares(policy + 0.3 * step))
            if returned > best:
                policy, best = policy + 0.3 * step, returned
        assert torch.allclose(adapted[task], policy)


@pytest.mark.parametrize("tasks", [6, 9])
def test_an_iteration_is_that_of_a_plain_loop(tasks: int) -> None:
    """Pairs of perturbed policies adapt and walk; values count with the current one among them."""
    method, drawn = learner("square", queries=2, pairs=3), batch("square", tasks)
    start = method.policy.clone()
    tried: list[Tensor] = []
    adapt = method.adapt

    def kept(policies: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
        adapted = adapt(policies, *rest)
        tried.extend((policies, adapted[0]))
        return adapted

    method.adapt = kept  # type: ignore[method-assign]
    loss = method.train_step(drawn, 0)
    policies, adapted = tried
    assert torch.allclose(policies[:3] - start, start - policies[3:6])
    assert torch.equal(policies[6:], start.expand(tasks - 6, -1))
    walked = [
        episode("square", 100, p.numpy(), g.numpy(), 0.0, 1.0)
        for p, g in zip(adapted, drawn.goals, strict=True)
    ]
    every = np.array([total for total, _ in walked[:7]])
    values = (every[:6] - every.mean()) / every.std()
    gradient = (values[:, None] * (policies[:6] - start).numpy()).mean(0) / 0.1**2
    assert np.allclose(method.policy.numpy(), start.numpy() + 0.01 * gradient)
    assert float(loss) == pytest.approx(-np.mean([total for total, _ in walked]))
    assert float(method.normaliser.steps) == sum(len(places) for _, places in walked)


@pytest.mark.parametrize("variant", ["hill-climbing", "monte-carlo"])
def test_a_stopped_training_goes_on_as_if_it_had_not_stopped(variant: str) -> None:
    made = setup("square", variant, queries=3)
    tasks = made.tasks()
    batches = [tasks.batch("train", 21 * i, 21) for i in range(4)]

    def make() -> Any:
        return made.method(made.tasks())

    assert same_weights(*with_and_without_stop(make, batches, 2))


def test_a_task_is_scored_alike_in_any_company() -> None:
    made = setup("square", queries=3)
    tasks = made.tasks()
    method = made.method(tasks)
    score: Callable[[int, int], dict[str, Tensor]] = method.scoring(tasks, "val", 300)
    together, apart = score(0, 300), score(250, 20)
    for name in together:
        assert torch.equal(together[name][250:270], apart[name])


def test_paths_are_drawn_from_a_record(tmp_path: Path) -> None:
    record = run(smoke_plan(tmp_path, "es_maml/four-corners", "hill-climbing"))
    assert draw_record(paths.draw_paths, [str(record), str(tmp_path / "paths.svg")]) == 0
    assert "before: -" in (tmp_path / "paths.svg").read_text("utf-8")


@pytest.mark.parametrize(("pairs", "tasks"), [(1000, 401), (201, 401), (2, 4), (1, 1)])
def test_more_perturbed_policies_than_tasks_are_refused(pairs: int, tasks: int) -> None:
    switches = {"method__pairs": pairs, "training__meta_batch": tasks}
    variant = published_variant("es_maml", "square", "hill-climbing", **switches)
    setup = Setup.at("full", variant)
    told = f"method.pairs: found {pairs}, wanted less than half of training.meta_batch, {tasks}"
    with pytest.raises(HarnessError, match=told):
        setup.method(setup.tasks())
