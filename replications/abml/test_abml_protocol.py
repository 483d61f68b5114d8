"""Protocol of the wheel bandit as literals beside `paper.toml`. Sources: the paper's section 5.1;
`sample_wheel_bandit_data` of Riquelme et al. for what arms pay."""

from __future__ import annotations

import pytest

from harness.paper_tests.protocol_tables import (
    assert_every_variant,
    assert_protocol,
    lines,
    rows,
)

SHARED = {
    "task_source": "wheels",
    "tasks.delta_min": 0.0,
    "tasks.delta_max": 1.0,
    "tasks.support": 512,
    "tasks.query": 50,
    "tasks.safe": 1.2,
    "tasks.low": 1.0,
    "tasks.high": 50.0,
    "tasks.noise_sd": 0.01,
    "testing.tasks": 50,
    "testing.best_of_steps": False,
}
DELTAS = {"050": 0.5, "070": 0.7, "090": 0.9, "095": 0.95, "099": 0.99}
CELLS = {
    f"delta-{name}-{n}": {"tasks.delta": delta, "tasks.contexts": n}
    for name, delta in DELTAS.items()
    for n in (2000, 80000)
}
FIXED = {"algorithm": "fixed", "training.iterations": 1, "training.validation_tasks": 0}
VARIANTS = {
    "uniform": FIXED | {"method.arm": "uniform"},
    "always-safe": FIXED | {"method.arm": "safe"},
}
TABLE = rows(SHARED, CELLS, VARIANTS)


@pytest.mark.parametrize(("cell", "variant"), lines(TABLE))
def test_protocol_is_the_papers(cell: str, variant: str) -> None:
    assert_protocol("abml", cell, variant, TABLE)


def test_the_table_has_every_variant() -> None:
    assert_every_variant("abml", TABLE)
