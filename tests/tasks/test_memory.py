"""Too large a batch is refused by its switches, before a byte of it is there."""

import dataclasses

import numpy as np
import pytest
import torch

from harness import protocol
from harness.errors import HarnessError
from harness.tasks import source as of_sources
from harness.tasks.memory import MOST_BYTES, check_batches, machine_bytes
from harness.tasks.sinusoids import Sinusoids, SinusoidSettings
from replications.learned_optimizer.tasks import Quadratics, QuadraticSettings

SINES = SinusoidSettings(0.1, 5, 0, 3, -5, 5, 5, 5, 5, 10, 5, 10, False)
TRAINING = protocol.Training(9, 9, 4, 0, 0, "mse@1", "last", 0)
TESTING = protocol.Testing(600, 100, 1, False)
CPU = torch.device("cpu")


def check(settings=SINES, **changes):
    """Check sinusoids with other counts."""
    training, testing = (
        dataclasses.replace(s, **{k: v for k, v in changes.items() if hasattr(s, k)})
        for s in (TRAINING, TESTING)
    )
    check_batches(Sinusoids, settings, training, testing, "toy/sines/plain")


@pytest.mark.parametrize(
    ("changes", "batch", "switch"),
    [
        ({"meta_batch": 10**9}, "1000000000 train tasks of 74.5 GiB", "training.meta_batch"),
        ({"validation_tasks": 10**9}, "1000000000 val tasks of 111.8", "training.validation_tasks"),
        ({"tasks_at_once": 10**9, "tasks": 10**9}, "1000000000 test", "testing.tasks_at_once"),
    ],
)
def test_a_batch_that_no_machine_should_be_asked_for(changes, batch, switch):
    with pytest.raises(HarnessError) as caught:
        check(**changes)
    assert str(caught.value).startswith(f"toy/sines/plain: found {batch}")
    assert f"together, wanted at most 64.0 GiB; set {switch} lower or make" in str(caught.value)


def test_no_more_tasks_are_together_than_there_are():
    check(tasks_at_once=10**9)  # of 600 test tasks
    check(meta_batch=10**8)


def test_a_batch_that_this_machine_has_no_room_for(monkeypatch):
    monkeypatch.setattr(of_sources, "machine_bytes", lambda: 2**16)
    monkeypatch.setattr(Sinusoids, "draw_block", lambda *_: pytest.fail("drawn"))
    source = Sinusoids(SINES, 0, 1, CPU)
    words = (
        r"^found 9999 train tasks of 0.0 GiB together, .*; set training.meta_batch lower or make"
    )
    with pytest.raises(HarnessError, match=words):
        source.batch("train", 0, 9999)


def test_this_machine_says_what_it_has():
    assert 2**28 < machine_bytes() < 2**50
    assert MOST_BYTES == 64 * 2**30


@pytest.mark.parametrize("dimension", [3, 10])
def test_what_is_told_is_what_a_batch_takes(dimension):
    source = Quadratics(QuadraticSettings(dimension, "uniform", 1.0), 0, 1, CPU)
    block = sum(np.asarray(a).nbytes for a in source.draw_block("train", 0).values())
    batch = source.batch("train", 0, 32)
    laid = sum(t.nbytes for t in vars(batch).values())
    assert source.batch_bytes(source.settings, "train", 32) == pytest.approx(block + laid, rel=0.7)
