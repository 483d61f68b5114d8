from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from harness.data.lake_runs import RUNS, WAYS
from harness.errors import HarnessError
from harness.protocol import read_switches
from harness.tasks.batch import SupervisedBatch
from harness.tasks.source import TestSplitLocked
from replications.siamese.tasks import ImagePairs, ImagePairSettings, PairBatch

CPU = torch.device("cpu")
BASE = {
    "dataset": "glyphs",
    "ink": "one",
    "image_size": 20,
    "resize_filter": "nearest",
    "different_pairs": "within-alphabet",
    "train_pairs": 80,
    "train_distortions": 0,
    "distortion_rotation": 10.0,
    "distortion_shear": 0.3,
    "distortion_scale": 0.2,
    "distortion_shift": 2.0,
    "distortion_probability": 0.5,
    "test_on": "pairs",
}


def tasks(device: torch.device = CPU, seed: int = 0, **switches: Any) -> ImagePairs:
    settings = read_switches(ImagePairSettings, BASE | switches, "tasks")
    return ImagePairs(settings, seed, 9, device)


def characters(source: ImagePairs, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return class and drawer of rows of the store."""
    character, drawer = np.divmod(rows, source.store.images_per_class)
    return character, drawer


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("where", ["within-alphabet", "any-alphabet"])
def test_half_of_the_pairs_are_of_one_character_and_all_of_their_part(
    split: str, where: str
) -> None:
    source = tasks(different_pairs=where, train_pairs=1600)
    if split == "test":
        source.end_training()
    a = source.arrays(split, 0, 1600)
    part = source.parts[split]
    (one, by), (other, by_other) = (characters(source, a[n]) for n in ("first", "second"))
    same = a["same"]
    assert same.mean() == pytest.approx(0.5, abs=0.01)
    assert ((one == other) == same).all()
    assert (by != by_other)[same].all(), "of one character, by two drawers"
    assert (by == by_other)[~same].any()
    assert set(by) == set(by_other) == set(part.drawers.ravel().tolist())
    own = {c for f, n in zip(part.first, part.characters, strict=True) for c in range(f, f + n)}
    assert set(one) | set(other[~same]) == own
    within = (one // 20 == other // 20)[~same]  # 20 characters in an alphabet of glyphs
    assert within.all() if where == "within-alphabet" else 0.1 < within.mean() < 0.5
    each = np.bincount(one // 20, minlength=8)[np.unique(one // 20)]
    assert each.max() - each.min() <= 1, "each alphabet is there as often"


def test_an_epoch_is_the_training_set_once_in_a_new_order() -> None:
    source = tasks(train_pairs=300)
    assert source.epoch == 300
    a = source.arrays("train", 0, 900)
    pairs = list(zip(a["first"].tolist(), a["second"].tolist(), strict=True))
    epochs = pairs[:300], pairs[300:600], pairs[600:]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(epochs[2])
    assert epochs[0] != epochs[1] != epochs[2]
    # Task i is a function of its number, whatever was asked for before.
    other = tasks(train_pairs=300)
    b = other.arrays("train", 700, 10)
    assert list(zip(b["first"].tolist(), b["second"].tolist(), strict=True)) == pairs[700:710]
    assert tasks(train_pairs=300, seed=1).task_digest("train", 300) != source.task_digest(
        "train", 300
    )


def test_each_pair_is_there_as_it_is_and_so_many_times_distorted() -> None:
    source = tasks(train_distortions=3)
    assert source.epoch == 320
    a = source.arrays("train", 0, 320)
    plain = (a["distortion"] == (0, 0, 0, 1, 1, 0, 0)).all((1, 2))
    assert plain.sum() == 80
    _, counts = np.unique(np.stack([a["first"], a["second"]]), axis=1, return_counts=True)
    assert (counts % 4 == 0).all()
    assert len(np.unique(a["distortion"][~plain], axis=0)) == 240, "each distorted in its own way"
    twins = a["distortion"][~plain]
    assert (twins[:, 0] != twins[:, 1]).any(1).all(), "both sides of a pair differently"
    batch = source.batch("train", 0, 320)
    assert isinstance(batch, PairBatch)
    rows = torch.from_numpy(a["first"].astype(np.int64))
    drawn = torch.from_numpy(source.store.images).flatten(0, 1)[rows].unsqueeze(1) / 255
    off = (batch.first - drawn).abs().amax((1, 2, 3))
    assert off[torch.from_numpy(plain)].max() < 1e-5
    assert (off[~torch.from_numpy(plain)] > 0.1).float().mean() > 0.9


def test_images_and_labels_belong_together() -> None:
    source = tasks()
    batch = source.batch("train", 0, 40)
    assert isinstance(batch, PairBatch)
    assert len(batch) == 40
    assert batch.first.shape == batch.second.shape == (40, 1, 20, 20)
    near = (batch.first - batch.second).abs().mean((1, 2, 3))
    assert near[batch.same].mean() < near[~batch.same].mean()
    zero = tasks(ink="zero").batch("train", 0, 40)
    assert isinstance(zero, PairBatch)
    torch.testing.assert_close(zero.second, 1 - batch.second)


def test_validation_runs_are_as_lakes() -> None:
    source = tasks()
    a = source.arrays("val", 0, 40)
    part = source.parts["val"]
    (support, by), (query, by_other) = (characters(source, a[n]) for n in ("support", "query"))
    assert (by == by[:, :1]).all()
    assert (by_other == by_other[:, :1]).all()
    assert (by[:, 0] != by_other[:, 0]).all()
    assert set(by[:, 0]) == set(by_other[:, 0]) == set(part.drawers.ravel().tolist())
    assert (np.sort(support, 1) == np.arange(part.first[0], part.first[0] + 20)).all()
    assert (np.take_along_axis(support, a["label"].astype(int), 1) == query).all()
    batch = source.batch("val", 0, 40)
    assert isinstance(batch, SupervisedBatch)
    distance = torch.cdist(batch.query_x.flatten(2), batch.support_x.flatten(2))
    assert (distance.argmin(2) == batch.query_y).float().mean() > 0.3


def test_lakes_runs_are_test_tasks_where_asked_for() -> None:
    source = tasks(test_on="lake-runs")
    assert source.data_digest() != tasks().data_digest()
    with pytest.raises(TestSplitLocked):
        source.batch("test", 0, 1)
    source.end_training()
    batch = source.batch("test", 0, RUNS)
    assert isinstance(batch, SupervisedBatch)
    assert batch.query_x.shape == (RUNS, WAYS, 1, 20, 20)
    distance = torch.cdist(batch.query_x.flatten(2), batch.support_x.flatten(2))
    assert (distance.argmin(2) == batch.query_y).float().mean() > 0.3
    with pytest.raises(HarnessError, match=r"found 21 test tasks, wanted at most 20"):
        source.batch("test", 1, 20)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(HarnessError, match=r"tasks.train_pairs: found 0, wanted 1 to"):
        tasks(train_pairs=0)
    with pytest.raises(HarnessError, match=r"tasks.train_distortions: found -1"):
        tasks(train_distortions=-1)
    with pytest.raises(HarnessError, match=r"training.selection"):
        tasks().batch("trainval", 0, 1)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_same_on_cuda() -> None:
    a = tasks(train_distortions=2).batch("train", 0, 64)
    b = tasks(torch.device("cuda"), train_distortions=2).batch("train", 0, 64)
    assert isinstance(a, PairBatch)
    assert isinstance(b, PairBatch)
    assert torch.equal(a.same, b.same.cpu())
    torch.testing.assert_close(a.first, b.first.cpu(), rtol=1e-4, atol=1e-4)
