"""Each switch of RL² and of the strategies is seen where it works, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from harness.paper_tests.smoke_plans import smoke_method
from harness.paper_tests.switch_effects import (
    TESTING,
    THROUGHOUT,
    TRAINING,
    Places,
    assert_seen,
    maker,
    switch_names,
    where_seen,
)
from replications.rl2.agent import AgentSettings

CELL = "rl2/bandit-10-pulls-5-arms"
SHORT = {"units": 8, "minibatch": 16, "most_divergence": 0.5, "learning_rate": 0.01}
SEEN: dict[str, tuple[Places, tuple[Any, ...]]] = {
    "units": (THROUGHOUT, (8, 9)),
    "learning_rate": (TRAINING, (0.01, 0.05)),
    "discount": (TRAINING, (0.9, 0.5)),
    "trace": (TRAINING, (0.3, 0.9)),
    "standardised": (TRAINING, ()),
    "clip": (TRAINING, (0.01, 0.2)),
    "epochs": (TRAINING, (1, 3)),
    "minibatch": (TRAINING, (16, 32)),
    "most_divergence": (TRAINING, (0.5, 1e-5)),
    "gradient_clip": (TRAINING, (1e-6, 40.0)),
    "test_arms": (TESTING, ()),
}


def batches() -> tuple[list[Any], Any]:
    _, tasks = smoke_method(CELL, "rl2", {})
    return [tasks.batch("train", 64 * i, 64) for i in range(3)], tasks.batch("val", 0, 64)


@pytest.mark.parametrize("switch", switch_names(AgentSettings))
def test_each_switch_is_seen_where_it_works(switch: str) -> None:
    assert_seen(SEEN, AgentSettings, switch, maker(CELL, "rl2", {}, **SHORT), *batches())


def test_rules_and_draws_are_seen_whenever_a_bandit_is_played() -> None:
    rules = ("random", "gittins", "thompson", "greedy", "bayes-optimal")
    played = THROUGHOUT - {"weights"}
    assert where_seen(maker(CELL, "random", {}), "rule", rules, *batches()) == {played}
    draws = maker(CELL, "optimistic-thompson", {})
    assert where_seen(draws, "samples", (1, 20), *batches()) == {played}
    tuned = maker(CELL, "ucb1", {}, grid=(0.5,))
    assert where_seen(tuned, "rule", ("ucb1", "epsilon-greedy"), *batches()) == {played}
    grids = ((0.0,), (1.0,))
    assert where_seen(maker(CELL, "ucb1", {}), "grid", grids, *batches()) == {THROUGHOUT}


MDP = {"tasks.episodes": 3, "tasks.horizon": 4}


def mdps() -> tuple[list[Any], Any]:
    _, tasks = smoke_method("rl2/mdp-10-episodes", "random", MDP)
    return [tasks.batch("train", 64, 64)], tasks.batch("val", 0, 64)


@pytest.mark.parametrize(
    ("variant", "switch", "values"),
    [
        ("random", "rule", ("random", "oracle")),
        ("psrl", "rule", ("psrl", "greedy")),
        ("psrl", "prior_mean", (0.0, 1.0)),
        ("psrl", "prior_precision", (0.1, 1.0)),
        ("psrl", "prior_weight", (0.1, 1.0)),
        ("beb", "rule", ("opsrl", "beb", "epsilon-greedy")),
        ("beb", "prior_weight", (0.1, 1.0)),
        ("ucrl2", "failure", (0.05, 0.9)),
        ("ucrl2", "prior_mean", (0.0, 100.0)),
        ("ucrl2", "prior_precision", (0.1, 1.0)),
        ("ucrl2", "prior_weight", (0.1, 1.0)),
    ],
)
def test_switches_of_strategies_are_seen_whenever_an_mdp_is_played(
    variant: str, switch: str, values: tuple[Any, ...]
) -> None:
    own = {} if variant in ("random", "psrl") else {"grid": (1.0,) if variant == "beb" else (0.1,)}
    make = maker("rl2/mdp-10-episodes", variant, MDP, **own)
    assert where_seen(make, switch, values, *mdps()) == {THROUGHOUT - {"weights"}}


@pytest.mark.parametrize("variant", ["opsrl", "beb", "epsilon-greedy", "ucrl2"])
def test_the_grid_is_seen_throughout(variant: str) -> None:
    make = maker("rl2/mdp-10-episodes", variant, MDP)
    assert where_seen(make, "grid", ((0.9,), (3.0,)), *mdps()) == {THROUGHOUT}
