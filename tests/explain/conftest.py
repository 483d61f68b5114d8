"""A tiny network, trained for six steps on generated glyphs, on record with its weights."""

from __future__ import annotations

import pytest
import torch

from harness.catalog import find_cell
from harness.explain.kept import Kept
from harness.records.store import verify_files
from harness.run.loop import run
from harness.run.plan import Plan
from harness.run.setup import Setup
from tests.toy_paper import ToyPaper

CPU = torch.device("cpu")
TINY = {
    "tasks.dataset": "glyphs",
    "training.meta_batch": 2,
    "method.hidden": [4, 4, 4, 4],
    "method.test_steps": 4,
    "testing.tasks": 8,
    "testing.tasks_at_once": 5,
}
SINE = {"training.meta_batch": 2, "method.test_steps": 2, "testing.tasks": 8}


def trained(root, key, variant, changed, label="0.0001"):
    """Train `variant` of the cell `key` and return its record with weights."""
    cell = find_cell(key)
    setup = Setup.at(label, cell.variant(variant, changed))
    folder = run(Plan(setup, cell.variant(variant), root / "results", root / "work"))
    return Kept(cell, folder, verify_files(folder), CPU)


@pytest.fixture(scope="session")
def kept(tmp_path_factory):
    """First-order MAML on glyphs."""
    root = tmp_path_factory.mktemp("glyphs")
    return trained(root, "maml/omniglot-5way-1shot", "first-order", TINY)


@pytest.fixture(scope="session")
def sine(tmp_path_factory):
    """MAML on sinusoids, whose network has no batch norm."""
    return trained(tmp_path_factory.mktemp("sine"), "maml/sinusoid-5shot", "maml", SINE)


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A checkout with one made-up paper."""
    made = ToyPaper(tmp_path)
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(made.replications))
    return made
