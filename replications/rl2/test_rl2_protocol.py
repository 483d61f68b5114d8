"""Protocol of RL²'s bandits as literals beside `paper.toml`. Source: the paper, section 3.1 and
Table 1 (README.md, departures 1 to 5)."""

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
            tenth = learned | {"training.meta_batch": 2500}
            TABLE[cell]["rl2-tenth"] = tenth
            most = {"method.test_arms": "most-probable"}
            TABLE[cell]["rl2-tenth-most-probable"] = tenth | most
for cell in [name for name in CELLS if "-500-" in name]:
    TABLE[cell]["optimistic-thompson"]["testing.tasks"] = 4000  # departure 1


@pytest.mark.parametrize(("cell", "variant"), lines(TABLE))
def test_protocol_is_the_papers(cell: str, variant: str) -> None:
    assert_protocol("rl2", cell, variant, TABLE)


def test_the_table_has_every_variant() -> None:
    assert_every_variant("rl2", TABLE)


def test_networks_start_as_in_the_port() -> None:
    """Inputs by Glorot's normal law, each gate alone; directions with their own lengths, so that
    weights are what was drawn. Over time orthogonal (`test_agent.py`)."""
    method = published_method("rl2", "bandit-10-pulls-5-arms", "rl2")
    weights = {k: v for k, v in method.weights().items() if not k.endswith(".length")}
    for net, outputs in (("policy", 5), ("value", 1)):
        turned = weights.pop(f"{net}.over.direction")
        assert_law(turned, normal(1 / 16), f"{net}.over")  # of 256 units
        out = drawn(
            lambda seed, n=outputs: {"w": RecurrentNet(7, 256, n, rng(seed)).out.weight()}, 4
        )
        assert_law(out["w"], normal((2 / (256 + outputs)) ** 0.5), f"{net}.out")
        del weights[f"{net}.out.direction"]
    assert_starts(weights, {"*.into.direction": normal((2 / (256 + 7)) ** 0.5), "*.bias": 0})


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
