from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from harness.data.lake_runs import RUNS, WAYS
from harness.errors import HarnessError
from harness.protocol import read_switches
from harness.tasks.lake_runs import LakeRunSettings, LakeRunTasks
from harness.tasks.registry import shared_task_source
from harness.tasks.source import TestSplitLocked

CPU = torch.device("cpu")
BASE = {
    "dataset": "glyphs",
    "rotations": "none",
    "ink": "one",
    "image_size": 28,
    "resize_filter": "nearest",
    "train_ways": 5,
    "train_shots": 1,
    "train_queries": 4,
}


def tasks(device=CPU, seed=0, **switches) -> LakeRunTasks:
    return LakeRunTasks(read_switches(LakeRunSettings, BASE | switches, "tasks"), seed, 9, device)


def test_test_tasks_are_the_runs():
    source = tasks(rotations="train-per-class-in-task")
    assert isinstance(source, shared_task_source("lake_runs"))
    assert (source.ways("test"), source.shots("test"), source.queries("test")) == (WAYS, 1, 1)
    with pytest.raises(TestSplitLocked):
        source.batch("test", 0, 1)
    source.end_training()
    batch = source.batch("test", 0, RUNS)
    assert batch.support_x.shape == batch.query_x.shape == (RUNS, WAYS, 1, 28, 28)
    assert batch.support_y.dtype == batch.query_y.dtype == torch.int64
    assert (batch.support_y == torch.arange(WAYS)).all()
    for run in (0, 11):
        for i in (0, 19):
            support, query = (torch.from_numpy(a[run, i]) / 255 for a in
                              (source.runs.support, source.runs.query))  # fmt: skip
            assert torch.equal(batch.support_x[run, i, 0], support)
            assert torch.equal(batch.query_x[run, i, 0], query)
    assert batch.query_y.tolist() == source.runs.label.tolist()
    part = source.batch("test", 3, 2)
    assert torch.equal(part.query_x, batch.query_x[3:5])


def test_a_nearest_neighbour_reads_the_labels_right():
    """Glyphs are easy: far above the 5 % of chance only if images and labels belong together."""
    source = tasks()
    source.end_training()
    batch = source.batch("test", 0, RUNS)
    distance = torch.cdist(batch.query_x.flatten(2), batch.support_x.flatten(2))
    assert (distance.argmin(2) == batch.query_y).float().mean() > 0.5


def test_seeds_change_training_and_not_the_runs():
    a, b = tasks(seed=0), tasks(seed=1)
    assert a.task_digest("train", 8) != b.task_digest("train", 8)
    assert a.batch("train", 0, 3).query_x.shape == (3, 20, 1, 28, 28)
    a.end_training()
    b.end_training()
    assert a.task_digest("test", RUNS) == b.task_digest("test", RUNS)
    assert a.synthetic


def test_training_is_on_background_characters_and_none_are_left_for_validation():
    source = tasks()
    drawn = np.unique(source.arrays("train", 0, 2560)["class"])
    assert set(drawn.tolist()) == set(np.flatnonzero(source.background.store.part == 1).tolist())
    with pytest.raises(HarnessError, match="has no val classes"):
        source.batch("val", 0, 1)


def test_ink_and_size():
    one, zero = tasks(), tasks(ink="zero")
    one.end_training()
    zero.end_training()
    assert torch.equal(one.batch("test", 0, 2).query_x, 1 - zero.batch("test", 0, 2).query_x)
    small = tasks(image_size=20)
    assert small.image_shape == (1, 20, 20)
    assert small.data_digest() != one.data_digest()


def test_there_are_20_runs_and_no_more():
    source = tasks()
    source.end_training()
    assert len(source.batch("test", 18, 2)) == 2
    with pytest.raises(
        HarnessError, match=r"found 21 test tasks, wanted at most 20.*testing.tasks"
    ):
        source.batch("test", 18, 3)


@pytest.mark.omniglot
@pytest.mark.skipif(not os.environ.get("HARNESS_DATA"), reason="HARNESS_DATA is not set")
def test_the_real_runs_at_28_pixels():
    source = tasks(dataset="omniglot")
    assert not source.synthetic
    source.end_training()
    batch = source.batch("test", 0, RUNS)
    assert 0.05 < batch.query_x.mean() < 0.12
    distance = torch.cdist(batch.query_x.flatten(2), batch.support_x.flatten(2))
    right = (distance.argmin(2) == batch.query_y).float().mean()
    assert 0.1 < right < 0.6, "pixels say something, and not much"


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_same_on_cuda():
    cpu, cuda = tasks(), tasks(torch.device("cuda"))
    cpu.end_training()
    cuda.end_training()
    a, b = cpu.batch("test", 0, RUNS), cuda.batch("test", 0, RUNS)
    for name in vars(a):
        assert torch.equal(getattr(a, name), getattr(b, name).cpu())
