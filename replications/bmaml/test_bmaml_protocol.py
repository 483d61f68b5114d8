"""Protocol of BMAML as literals beside `paper.toml`, and how particles start. Source: the authors'
`bmaml_main.py`, `emaml_main.py`, `data_generator.py` and `bnn.py`."""

from __future__ import annotations

import math
from typing import Any

import pytest

from harness.paper_tests.protocol_tables import (
    assert_every_variant,
    assert_protocol,
    lines,
    rows,
)
from harness.paper_tests.published_methods import published_method
from harness.paper_tests.starts import assert_law, drawn, glorot, normal

SHARED = {
    "task_source": "finite-sinusoids",
    "tasks.amplitude_min": 0.1,
    "tasks.amplitude_max": 5.0,
    "tasks.frequency_min": 0.5,
    "tasks.frequency_max": 2.0,
    "tasks.phase_min": 0.0,
    "tasks.phase_max": 2 * math.pi,
    "tasks.input_min": -5.0,
    "tasks.input_max": 5.0,
    "tasks.noise": 0.01,
    "tasks.drawn_together": 10,
    "testing.tasks": 1000,  # departure 2
    "testing.best_of_steps": False,
}
CELLS = {
    "sinusoid-100-tasks-5shot": {"tasks.train_tasks": 100, "tasks.shots": 5},
    "sinusoid-100-tasks-10shot": {"tasks.train_tasks": 100, "tasks.shots": 10},
    "sinusoid-1000-tasks-5shot": {"tasks.train_tasks": 1000, "tasks.shots": 5},
    "sinusoid-1000-tasks-10shot": {"tasks.train_tasks": 1000, "tasks.shots": 10},
}
TRAINED = {
    "method.hidden": [40, 40, 40],
    "method.meta_rate": 0.001,
    "method.rate_decay": 0.98,
    "method.decay_every": 1000,
    "method.inner_steps": 1,
    "method.inner_rate": 0.001,
    "method.test_steps": 10,
    "training.iterations": 100000,
    "training.iteration_cap": 100000,
    "training.meta_batch": 10,
    "training.validate_every": 100,
    "training.validation_tasks": 100,
    "training.selection": "best-validation",
    "training.patience": 0,
}
MAMLS = {
    "algorithm": "emaml",
    "training.validation_metric": "particle_mse@1",
}
VARIANTS: dict[str, dict[str, Any]] = {
    "bmaml": TRAINED
    | {
        "algorithm": "bmaml",
        "method.particles": 10,
        "method.leader_steps": 1,
        "method.leader_rate": 0.001,
        "method.repulsion": 1.0,
        "method.noise_shape": 2.0,
        "method.noise_rate": 0.2,
        "method.noise_start": 100.0,
        "method.weight_shape": 2.0,
        "method.weight_rate": 2.0,
        "method.weight_start": 1.0,
        "training.validation_metric": "mse@1",
    },
    "emaml": TRAINED | MAMLS | {"method.particles": 10},
    "maml": TRAINED | MAMLS | {"method.particles": 1},
    "zero": {
        "algorithm": "zero",
        "training.iterations": 1,
        "training.iteration_cap": 1,
        "training.validate_every": 0,
    },
}
TABLE = rows(SHARED, CELLS, VARIANTS)
# 0.001 · γ K / 2 / M with γ = 100 and M = 10: ours, what a particle of BMAML moves by at first.
for name, variants in TABLE.items():
    rate = 0.05 if name.endswith("10shot") else 0.025
    variants["emaml-step-of-bmaml"] = variants["emaml"] | {"method.inner_rate": rate}
    if name.startswith("sinusoid-1000"):
        del variants["zero"]


@pytest.mark.parametrize(("cell", "variant"), lines(TABLE))
def test_protocol_is_that_of_the_authors_code(cell: str, variant: str) -> None:
    assert_protocol("bmaml", cell, variant, TABLE)


def test_the_table_has_every_variant() -> None:
    assert_every_variant("bmaml", TABLE)


@pytest.mark.parametrize("variant", ["bmaml", "emaml"])
def test_particles_start_by_the_authors_laws(variant: str) -> None:
    """1-40-40-40-1: weights by Glorot, biases normal; BMAML's precisions hardly apart."""

    def particles(seed: int) -> Any:
        return published_method("bmaml", "sinusoid-100-tasks-5shot", variant, seed).weights()

    starts = drawn(particles, 60)["particles"].flatten(0, 1)
    laws = [
        (40, glorot(1, 40)),
        (40, normal(0.01)),
        (1600, glorot(40, 40)),
        (40, normal(0.01)),
        (1600, glorot(40, 40)),
        (40, normal(0.01)),
        (40, glorot(40, 1)),
        (1, normal(0.01)),
    ]
    if variant == "bmaml":
        laws += [(1, normal(0.001, 0.0)), (1, normal(0.001, math.log(100)))]
    parts = starts.split([count for count, _ in laws], dim=1)
    for number, (part, (_, law)) in enumerate(zip(parts, laws, strict=True)):
        assert_law(part, law, f"part {number} of a particle")
