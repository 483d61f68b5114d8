"""Each switch of DeepCoder is seen where it works, and nowhere else."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
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
)
from replications.deepcoder.method import NetworkSettings

CELL = "deepcoder/length-3"
SHORT: dict[str, Any] = {"units": (8,), "embedding": 3, "learning_rate": 0.01}
SEEN: dict[str, tuple[Places, tuple[Any, ...]]] = {
    "test_search": (TESTING, ()),
    "test_scores": (TESTING, ()),
    "test_solved_within": (TESTING, ((10, 14), (12, 18))),
    "embedding": (THROUGHOUT, (3, 4)),
    "units": (THROUGHOUT, ((8,), (8, 8))),
    "padded": (THROUGHOUT, (10, 12)),
    "learning_rate": (TRAINING, (0.01, 0.05)),
}


@pytest.fixture(scope="module")
def batches() -> tuple[list[Any], Any]:
    _, tasks = smoke_method(CELL, "network", {})
    tasks.settings = dataclasses.replace(tasks.settings, test_programs=12)
    return [tasks.batch("train", 64 * i, 64) for i in range(3)], tasks.batch("val", 0, 1)


@pytest.mark.parametrize("switch", switch_names(NetworkSettings))
def test_each_switch_is_seen_where_it_works(switch: str, batches: tuple[list[Any], Any]) -> None:
    assert_seen(SEEN, NetworkSettings, switch, maker(CELL, "network", {}, **SHORT), *batches)


@pytest.mark.parametrize(
    ("switch", "value", "splits"),
    [
        ("numbers", 64, {"train", "val"}),
        ("entries", 8, {"train", "val"}),
        ("examples", 4, {"train", "val"}),
        ("redrawn", True, {"train"}),
        ("held_out", 0.2, {"train", "val"}),
        ("test_programs", 3, {"val"}),
        ("test_signatures", ("list-list",), {"val"}),
        ("test_mix", "by-programs", {"val"}),
    ],
)
def test_a_switch_of_tasks_is_seen_in_the_splits_it_is_for(
    switch: str, value: Any, splits: set[str]
) -> None:
    def drawn(**changed: Any) -> dict[str, bytes]:
        _, tasks = smoke_method(CELL, "network", {})
        tasks.settings = dataclasses.replace(tasks.settings, test_programs=8)
        tasks.settings = dataclasses.replace(tasks.settings, **changed)
        rows = {"train": 3, "val": 1}
        first = {"train": len(tasks.training_programs), "val": 0}  # the second epoch
        return {k: fields(tasks.batch(k, first[k], n)) for k, n in rows.items()}

    here, there = drawn(), drawn(**{switch: value})
    assert {k for k in here if here[k] != there[k]} == splits


def fields(batch: Any) -> bytes:
    """Return all that is in a batch."""
    values = [getattr(batch, f.name).numpy() for f in dataclasses.fields(batch)]
    return b"".join(str(v.shape).encode() + np.ascontiguousarray(v).tobytes() for v in values)
