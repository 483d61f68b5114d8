"""Sets of sinusoids: fixed, apart from each other, and drawn by the authors' law."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from harness.errors import HarnessError
from harness.paper_tests.protocol_tables import published_variant
from harness.run.setup import Setup
from harness.tasks.source import BLOCK
from replications.bmaml.tasks import FiniteSinusoids


def source(cell: str = "sinusoid-100-tasks-5shot", seed: int = 0, **tasks: Any) -> FiniteSinusoids:
    given = {f"tasks__{name}": value for name, value in tasks.items()}
    made = Setup.at("full", published_variant("bmaml", cell, "bmaml", **given), seed).tasks()
    assert isinstance(made, FiniteSinusoids)
    return made


def seen(drawn: FiniteSinusoids, split: str = "train", count: int = 20 * BLOCK) -> np.ndarray:
    """Return the different tasks among the first `count`: all their points, one row a task."""
    arrays = drawn.arrays(split, 0, count)
    rows = np.concatenate([arrays[n].reshape(count, -1) for n in ("x", "y", "law")], 1)
    return np.unique(rows, axis=0)


@pytest.mark.parametrize(
    ("cell", "tasks", "shots"),
    [
        ("sinusoid-100-tasks-5shot", 100, 5),
        ("sinusoid-100-tasks-10shot", 100, 10),
        ("sinusoid-1000-tasks-5shot", 1000, 5),
        ("sinusoid-1000-tasks-10shot", 1000, 10),
    ],
)
def test_training_has_a_fixed_set_with_fixed_points(cell: str, tasks: int, shots: int) -> None:
    rows = seen(source(cell), count=60 * BLOCK)
    assert rows.shape == (tasks, 2 * 3 * shots + 3)
    assert len(np.unique(rows[:, -3:], axis=0)) == tasks


def test_validation_and_test_tasks_are_new() -> None:
    drawn = source()
    train, val = seen(drawn), seen(drawn, "val", 400)
    drawn.end_training()
    test = seen(drawn, "test", 400)
    assert (len(train), len(val), len(test)) == (100, 400, 400)
    laws = np.concatenate([train, val, test])[:, -3:]
    assert len(np.unique(laws, axis=0)) == 900


def test_the_set_hangs_on_the_seed_of_the_run_and_the_test_does_not() -> None:
    one, other = source(seed=0), source(seed=1)
    assert len(np.unique(np.concatenate([seen(one), seen(other)]), axis=0)) == 200
    assert np.array_equal(seen(one, "val", 10), seen(other, "val", 10))


def test_a_smaller_set_is_the_beginning_of_a_larger_one() -> None:
    both = np.concatenate([seen(source()), seen(source(train_tasks=1000), count=60 * BLOCK)])
    assert len(np.unique(both, axis=0)) == 1000


def test_a_meta_batch_has_no_task_twice_and_all_come_as_often() -> None:
    x = source().arrays("train", 0, 10_000)["x"]
    _, numbers = np.unique(x.reshape(10_000, -1), axis=0, return_inverse=True)
    batches = np.sort(numbers.reshape(-1, 10))
    assert (np.diff(batches) > 0).all()
    assert len({tuple(b) for b in batches.tolist()}) == 1000
    assert stats.chisquare(np.bincount(numbers.flatten())).pvalue > 1e-6


def test_tasks_do_not_hang_on_the_company_they_are_asked_for_in() -> None:
    drawn = source()
    whole, part = drawn.batch("train", 0, 600), source().batch("train", 250, 20)
    assert torch.equal(whole.further_y[250:270], part.further_y)


def test_the_law_is_the_authors() -> None:
    """Amplitude, frequency, phase and inputs uniform; noise 1 % of the amplitude, none in
    queries."""
    arrays = source().arrays("val", 0, 4000)
    bounds = ((0.1, 5.0), (0.5, 2.0), (0.0, 2 * math.pi))
    for values, (low, high) in zip(arrays["law"].T, bounds, strict=True):
        assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 1e-6
    inputs = arrays["x"].flatten()[::7]
    assert stats.kstest(inputs, stats.uniform(-5, 10).cdf).pvalue > 1e-6
    amplitude, frequency, phase = (column[:, None, None] for column in arrays["law"].T)
    noise = arrays["y"] - amplitude * np.sin(frequency * arrays["x"] - phase)
    assert np.abs(noise[:, 2]).max() < 1e-12
    scaled = (noise / amplitude)[:, :2].flatten()[::5]
    assert stats.kstest(scaled, stats.norm(0, 0.01).cdf).pvalue > 1e-6


def test_a_batch_has_the_chunks_in_order() -> None:
    drawn = source()
    arrays, batch = drawn.arrays("val", 0, 6), drawn.batch("val", 0, 6)
    for i, name in enumerate(("support", "further", "query")):
        for axis in ("x", "y"):
            laid = getattr(batch, f"{name}_{axis}")
            assert laid.shape == (6, 5, 1)
            assert np.allclose(laid[..., 0].numpy(), arrays[axis][:, i], atol=1e-6)


@pytest.mark.parametrize(
    ("switches", "sentence"),
    [
        ({"train_tasks": 5}, "found 10, wanted at most tasks.train_tasks, 5"),
        ({"phase_min": 7.0}, "found 7.0, wanted at most phase_max"),
    ],
)
def test_odd_switches_are_refused(switches: dict[str, Any], sentence: str) -> None:
    with pytest.raises(HarnessError, match=sentence):
        source(**switches)
