"""Protocol of RL² as literals beside `paper.toml`. Source: the paper, sections 3.1 and 3.2, Tables
1 and 2, and the authors' code for MDPs (README.md, departures)."""

from __future__ import annotations

import pytest
import torch

from harness.paper_tests.protocol_tables import (
    assert_every_variant,
    assert_protocol,
    lines,
    rows,
)
from harness.paper_tests.published_methods import published_method
from harness.paper_tests.starts import assert_law, assert_starts, drawn, normal
from replications.rl2.network import RecurrentNet

SHARED = {
    "task_source": "bandits",
    "training.iterations": 1,  # nothing is learned
    "training.validation_tasks": 0,
    "testing.tasks": 20000,  # departure 1
    "testing.best_of_steps": False,
}
CELLS = {
    f"bandit-{pulls}-pulls-{arms}-arms": {"tasks.pulls": pulls, "tasks.arms": arms}
    for pulls in (10, 100, 500)
    for arms in (5, 10, 50)
}
TENTHS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
TUNED = {"algorithm": "tuned", "method.grid": TENTHS, "training.validation_tasks": 2048}
OPTIMISTIC = {"algorithm": "optimistic-thompson", "method.samples": 20}
LEARNED = {
    "algorithm": "rl2",
    "method.units": 256,
    "method.discount": 0.99,
    "method.trace": 0.3,
    "method.standardised": True,
    "method.clip": 0.1,
    "method.epochs": 5,
    "method.minibatch": 128,
    "method.most_divergence": 0.01,
    "method.gradient_clip": 40.0,
    "method.learning_rate": 0.001,  # departure 6
    "method.test_arms": "drawn",
    "training.validation_tasks": 0,
    "testing.tasks": 20000,
}
VARIANTS = {
    **{
        rule: {"algorithm": "rule", "method.rule": rule}
        for rule in ("random", "gittins", "thompson", "greedy")
    },
    "optimistic-thompson": OPTIMISTIC,
    "ucb1": TUNED | {"method.rule": "ucb1"},
    "epsilon-greedy": TUNED | {"method.rule": "epsilon-greedy"},
}
TABLE = rows(SHARED, CELLS, VARIANTS)
for pulls, iterations, trials in ((10, 300, 25000), (100, 600, 2500), (500, 600, 500)):
    length = {"training.iterations": iterations, "training.iteration_cap": iterations}
    for arms in (5, 10, 50):
        cell = f"bandit-{pulls}-pulls-{arms}-arms"
        learned = SHARED | CELLS[cell] | LEARNED | length | {"training.meta_batch": trials}
        TABLE[cell]["rl2"] = learned
        if pulls == 10:
            optimal = {"algorithm": "rule", "method.rule": "bayes-optimal"}
            TABLE[cell]["bayes-optimal"] = SHARED | CELLS[cell] | optimal
            tenth = learned | {"training.meta_batch": 2500}
            TABLE[cell]["rl2-tenth"] = tenth
            most = {"method.test_arms": "most-probable"}
            TABLE[cell]["rl2-tenth-most-probable"] = tenth | most
for cell in [name for name in CELLS if "-500-" in name]:
    TABLE[cell]["optimistic-thompson"]["testing.tasks"] = 4000  # departure 1

MDPS = {
    f"mdp-{n}-episodes": {
        "tasks.states": 10,
        "tasks.actions": 5,
        "tasks.horizon": 10,
        "tasks.episodes": n,
    }
    for n in (10, 25, 50, 75, 100)
}
SCALES = tuple(float(f"{10 ** (k / 5 - 4):.4g}") for k in range(21))  # log-spaced in [1e-4, 1]
CHOSEN = {"training.validation_tasks": 512}  # departure 2


def prior(mean: float, precision: float, weight: float) -> dict[str, float]:
    return {
        "method.prior_mean": mean,
        "method.prior_precision": precision,
        "method.prior_weight": weight,
    }


RULE, PLANNER, TUNED_MDP = ({"algorithm": f"mdp-{name}"} for name in ("rule", "planner", "tuned"))
PSRL, GREEDY = PLANNER | {"method.rule": "psrl"}, PLANNER | {"method.rule": "greedy"}
PLANS = {
    "random": RULE | {"method.rule": "random"},
    "oracle": RULE | {"method.rule": "oracle"},
    "psrl": PSRL | prior(0, 1, 1),
    "psrl-true-prior": PSRL | prior(1, 1, 1),
    "greedy": GREEDY | prior(0, 1e-4, 1e-4),
    "greedy-true-prior": GREEDY | prior(1, 1, 1),
    "opsrl": TUNED_MDP
    | CHOSEN
    | prior(0, 1, 1)
    | {"method.rule": "opsrl", "method.grid": tuple(float(k) for k in range(1, 21))},
    "beb": TUNED_MDP | CHOSEN | prior(0, 1, 1) | {"method.rule": "beb", "method.grid": SCALES},
    "epsilon-greedy": TUNED_MDP
    | CHOSEN
    | prior(0, 1e-4, 1e-4)
    | {"method.rule": "epsilon-greedy", "method.grid": TENTHS[1:]},
    "ucrl2": {"algorithm": "mdp-ucrl2", "method.failure": 0.05, "method.grid": SCALES}
    | CHOSEN
    | prior(0, 1e-4, 1e-5),
}
TABLE |= rows(SHARED | {"task_source": "tabular-mdps"}, MDPS, PLANS)
for n, trials in ((10, 2500), (25, 1000), (50, 500), (75, 334), (100, 250)):
    cell = f"mdp-{n}-episodes"
    learned = {
        **SHARED,
        **MDPS[cell],
        **LEARNED,
        "task_source": "tabular-mdps",
        "training.iterations": 5000,
        "training.iteration_cap": 5000,
        "training.meta_batch": trials,
    }
    TABLE[cell]["rl2"] = learned
    if n == 10:
        TABLE[cell]["rl2-tenth"] = learned | {"training.meta_batch": 250}
        most = {"method.test_arms": "most-probable"}
        TABLE[cell]["rl2-tenth-most-probable"] = TABLE[cell]["rl2-tenth"] | most
    if n > 10:  # departures 1 and 2
        for name in PLANS:
            TABLE[cell][name] |= {"testing.tasks": 4000}
        for name in ("ucrl2", "beb", "epsilon-greedy"):
            TABLE[cell][name] |= {"training.validation_tasks": 256}
        TABLE[cell]["opsrl"] |= {"training.validation_tasks": 128}
    if n > 25:
        TABLE[cell]["opsrl"] |= {"testing.tasks": 1000}


@pytest.mark.parametrize(("cell", "variant"), lines(TABLE))
def test_protocol_is_the_papers(cell: str, variant: str) -> None:
    assert_protocol("rl2", cell, variant, TABLE)


def test_the_table_has_every_variant() -> None:
    assert_every_variant("rl2", TABLE)


@pytest.mark.parametrize(
    ("cell", "inputs"), [("bandit-10-pulls-5-arms", 7), ("mdp-10-episodes", 17)]
)
def test_networks_start_as_in_the_port(cell: str, inputs: int) -> None:
    """Inputs by Glorot's normal law, each gate alone; directions with their own lengths, so that
    weights are what was drawn. Over time orthogonal (`test_agent.py`)."""
    method = published_method("rl2", cell, "rl2")
    weights = {k: v for k, v in method.weights().items() if not k.endswith(".length")}
    for net, outputs in (("policy", 5), ("value", 1)):
        turned = weights.pop(f"{net}.over.direction")
        assert_law(turned, normal(1 / 16), f"{net}.over")  # of 256 units
        out = drawn(
            lambda seed, n=outputs: {"w": RecurrentNet(inputs, 256, n, rng(seed)).out.weight()}, 4
        )
        assert_law(out["w"], normal((2 / (256 + outputs)) ** 0.5), f"{net}.out")
        del weights[f"{net}.out.direction"]
    assert_starts(weights, {"*.into.direction": normal((2 / (256 + inputs)) ** 0.5), "*.bias": 0})


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
