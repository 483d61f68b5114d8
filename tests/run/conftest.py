"""A small real run, shortened by switches: MAML on sinusoids unless told otherwise."""

from __future__ import annotations

import pytest
import torch

from harness.catalog import find_cell
from harness.run.plan import Plan
from harness.run.setup import Setup

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
        there = find_cell(cell)
        own = there.variants[variant]["method"]
        small = {k: v for k, v in SMALL.items() if "method" not in k or k.split(".")[1] in own}
        changed = small | {k.replace("__", "."): v for k, v in sets.items()}
        setup, folder = Setup.at(label, there.variant(variant, changed), seed), tmp_path / name
        return Plan(setup, there.variant(variant), folder / "results", folder / "work")

    return make
