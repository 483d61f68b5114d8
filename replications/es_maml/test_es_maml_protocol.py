"""Protocol of ES-MAML as literals beside `paper.toml`. Source: the authors' `es_maml/config.py`."""

from __future__ import annotations

import pytest
from torch import Tensor

from harness.paper_tests.protocol_tables import (
    assert_every_variant,
    assert_protocol,
    lines,
    published_variant,
    rows,
)
from harness.paper_tests.starts import assert_law, drawn, normal
from harness.run.setup import Setup

SHARED = {
    "task_source": "navigation",
    "tasks.horizon": 100,
    "tasks.train_goals": 50,
    "testing.tasks": 1000,  # departure 2
    "testing.best_of_steps": False,
}
CELLS = {
    "four-corners": {"tasks.world": "corners"},
    "square": {"tasks.world": "square"},
}
LEARNED = {
    "algorithm": "es-maml",
    "method.queries": 20,
    "method.adaptation_sigma": 0.1,
    "method.adaptation_rate": 0.05,
    "method.pairs": 150,
    "method.sigma": 0.1,
    "method.rate": 0.01,
    "training.iterations": 10000,
    "training.iteration_cap": 10000,
    "training.meta_batch": 401,
    "training.selection": "last",
}
BOUND = {"algorithm": "bound", "training.iterations": 1, "training.validation_tasks": 0}
VARIANTS = {
    **{name: LEARNED | {"method.adaptation": name} for name in ("hill-climbing", "monte-carlo")},
    **{name: BOUND | {"method.walk": name} for name in ("to-the-goal", "one-corner", "stay")},
}
TABLE = rows(SHARED, CELLS, VARIANTS)
del TABLE["square"]["one-corner"]


@pytest.mark.parametrize(("cell", "variant"), lines(TABLE))
def test_protocol_is_that_of_the_authors_code(cell: str, variant: str) -> None:
    assert_protocol("es_maml", cell, variant, TABLE)


def test_the_table_has_every_variant() -> None:
    assert_every_variant("es_maml", TABLE)


def test_a_policy_starts_from_the_normal_law() -> None:
    """`DeterministicNumpyPolicy`: variance 2 / inputs for weights, biases 0."""
    weights = drawn(lambda seed: {"policy": start(seed)}, 120)
    assert_law(weights["policy"][:, :4], normal(1.0), "weights")
    assert_law(weights["policy"][:, 4:], 0, "biases")


def start(seed: int) -> Tensor:
    made = Setup.at("full", published_variant("es_maml", "square", "monte-carlo"), seed)
    policy: Tensor = made.method(made.tasks()).weights()["policy"]
    return policy
