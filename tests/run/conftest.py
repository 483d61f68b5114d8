"""A small real run, shortened by switches: MAML on sinusoids unless told otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.catalog import find_cell
from harness.meta_gradient.engines import DEFAULT
from harness.run.budget import budget
from harness.run.plan import Plan

SMALL = {
    "training.iterations": 60,
    "training.iteration_cap": 60,
    "training.validate_every": 20,
    "training.validation_tasks": 8,
    "testing.tasks": 30,
    "testing.tasks_at_once": 10,
    "method.test_steps": 2,
}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def make_plan(tmp_path):
    """Return plans of small runs; results and checkpoints go below `tmp_path / name`."""

    def make(name="run", label="full", cell="maml/sinusoid-5shot", variant="maml", seed=0, **sets):
        found = find_cell(cell)
        own = found.variants[variant]["method"]
        small = {k: v for k, v in SMALL.items() if "method" not in k or k.split(".")[1] in own}
        changed = small | {k.replace("__", "."): v for k, v in sets.items()}
        v = found.variant(variant, changed)
        length = budget(label, v.training, v.testing)
        folder: Path = tmp_path / name
        device = torch.device("cpu")
        return Plan(
            v,
            found.variant(variant),
            seed,
            length,
            DEFAULT,
            device,
            folder / "results",
            folder / "work",
        )

    return make
