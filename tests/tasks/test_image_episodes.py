from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.errors import HarnessError
from harness.protocol import read_switches
from harness.tasks.image_episodes import ImageEpisodes, ImageEpisodeSettings
from harness.tasks.registry import shared_task_source
from harness.tasks.source import TestSplitLocked

CPU = torch.device("cpu")
ROTATIONS = (
    "none",
    "as-classes",
    "per-class-in-task",
    "train-as-classes",
    "train-per-class-in-task",
)
BASE = {
    "dataset": "glyphs",
    "class_split": "random-1100-100-423",
    "split_seed": 0,
    "rotations": "none",
    "ink": "one",
    "image_size": 28,
    "resize_filter": "nearest",
    **{f"{s}_{n}": v for s in ("train", "val", "test") for n, v in
       {"ways": 5, "shots": 1, "queries": 15}.items()},
}  # fmt: skip


def episodes(device=CPU, train_seed=0, **switches) -> ImageEpisodes:
    s = read_switches(ImageEpisodeSettings, BASE | switches, "tasks")
    return ImageEpisodes(s, train_seed, 100, device)


def same(a, b) -> bool:
    return all(torch.equal(getattr(a, n), getattr(b, n)) for n in vars(a))


def test_shapes_labels_and_attributes():
    source = episodes(train_ways=7, train_shots=2, train_queries=3)
    assert isinstance(source, shared_task_source("image_episodes"))
    assert source.image_shape == (1, 28, 28)
    assert (source.ways("train"), source.ways("trainval"), source.ways("val")) == (7, 7, 5)
    assert (source.shots("train"), source.queries("test")) == (2, 15)
    assert source.synthetic
    assert len(source.data_digest()) == 64
    batch = source.batch("train", 250, 10)  # straddles two blocks
    assert batch.support_x.shape == (10, 14, 1, 28, 28)
    assert batch.query_x.shape == (10, 21, 1, 28, 28)
    assert batch.support_x.dtype == torch.float32
    assert batch.support_y.dtype == torch.int64
    assert batch.support_y[3].tolist() == [c for c in range(7) for _ in range(2)]
    assert batch.query_y[9].tolist() == [c for c in range(7) for _ in range(3)]


@pytest.mark.parametrize("rotations", ROTATIONS)
def test_images_are_those_of_the_class_and_right_way_up(rotations):
    source = episodes(rotations=rotations, train_shots=2, train_queries=3)
    batch, arrays = source.batch("train", 0, 6), source.arrays("train", 0, 6)
    if rotations != "none":
        assert len(np.unique(arrays["rotation"])) > 1
    for t in range(6):
        for w in range(5):
            for x, name, of_each in (
                (batch.support_x, "support", 2),
                (batch.query_x, "query", 3),
            ):
                for k in range(of_each):
                    i = arrays[name][t, w, k]
                    image = torch.from_numpy(source.store.images[arrays["class"][t, w], i]) / 255
                    wanted = torch.rot90(image, int(arrays["rotation"][t, w]))
                    assert torch.equal(x[t, w * of_each + k, 0], wanted)


@pytest.mark.parametrize("rotations", ROTATIONS)
def test_a_batch_says_which_classes_its_labels_stand_for(rotations):
    source = episodes(rotations=rotations)
    turns_are_classes = rotations.endswith("as-classes")
    for split in ("train", "val"):
        batch, arrays = source.batch(split, 0, 256), source.arrays(split, 0, 256)
        turn, index = np.divmod(batch.classes.numpy(), len(source.store.class_names))
        assert np.array_equal(index, arrays["class"])
        assert np.array_equal(turn, arrays["rotation"] * turns_are_classes)
        ids = source.class_ids(split)
        assert set(batch.classes.unique().tolist()) <= set(ids.tolist())
        classes = len(source.class_split.classes(split))
        turned = turns_are_classes and (split == "train" or not rotations.startswith("train-"))
        assert len(ids) == len(set(ids.tolist())) == classes * (4 if turned else 1)
        assert ids.tolist() == sorted(ids.tolist())


def test_ink():
    one, zero = episodes(ink="one").batch("val", 0, 3), episodes(ink="zero").batch("val", 0, 3)
    assert torch.equal(one.query_x, 1 - zero.query_x)
    assert one.query_x.mean() < 0.3
    assert set(one.query_x.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("rotations", ROTATIONS)
@pytest.mark.parametrize("split", ["train", "val", "trainval", "test"])
def test_rotations_are_turned_off_where_the_mode_says_so(rotations, split):
    source = episodes(rotations=rotations)
    if split == "test":
        source.end_training()
    drawn = source.arrays(split, 0, 256)["rotation"]
    off = rotations == "none" or (rotations.startswith("train-") and "train" not in split)
    assert set(np.unique(drawn)) == ({0} if off else {0, 1, 2, 3})


def test_classes_come_from_the_split_only():
    source = episodes()
    for split in ("train", "val", "trainval", "test"):
        if split == "test":
            source.end_training()
        drawn = set(np.unique(source.arrays(split, 0, 2560)["class"]).tolist())
        assert drawn == set(source.class_split.classes(split).tolist())


@settings(max_examples=40, deadline=None)
@given(
    ways=st.integers(1, 20),
    shots=st.integers(1, 19),
    data=st.data(),
    rotations=st.sampled_from(ROTATIONS),
    seed=st.integers(0, 2**32),
    first=st.integers(0, 10**6),
)
def test_every_episode_is_sound(ways, shots, data, rotations, seed, first):
    queries = data.draw(st.integers(1, 20 - shots))
    source = episodes(
        rotations=rotations,
        train_seed=seed,
        train_ways=ways,
        train_shots=shots,
        train_queries=queries,
    )
    arrays = source.arrays("train", first, 5)
    assert arrays["support"].shape == (5, ways, shots)
    assert arrays["query"].shape == (5, ways, queries)
    classes = arrays["class"].astype(int)
    if rotations.endswith("as-classes"):
        classes = classes * 4 + arrays["rotation"]
    images = np.concatenate([arrays["support"], arrays["query"]], -1)
    for t in range(5):
        assert len(np.unique(classes[t])) == ways
        for w in range(ways):
            assert len(np.unique(images[t, w])) == shots + queries


@settings(max_examples=20, deadline=None)
@given(
    ways=st.integers(1, 20),
    shots=st.integers(1, 10),
    queries=st.integers(1, 10),
    rotations=st.sampled_from(ROTATIONS),
)
def test_draws_are_nested(ways, shots, queries, rotations):
    def arrays(ways, shots, queries):
        switches = {"train_ways": ways, "train_shots": shots, "train_queries": queries}
        return episodes(rotations=rotations, **switches).arrays("train", 300, 4)

    large, small = arrays(20, 10, 10), arrays(ways, shots, queries)
    assert (small["class"] == large["class"][:, :ways]).all()
    assert (small["rotation"] == large["rotation"][:, :ways]).all()
    assert (small["support"] == large["support"][:, :ways, :shots]).all()
    assert (small["query"] == large["query"][:, :ways, :queries]).all()


def test_episodes_do_not_depend_on_order_or_batch_size():
    whole = episodes(rotations="as-classes").batch("train", 0, 600)
    again = episodes(rotations="as-classes")
    for first, count in ((590, 10), (0, 1), (255, 2), (100, 400), (0, 600)):
        part = again.batch("train", first, count)
        for name in vars(part):
            assert torch.equal(getattr(part, name), getattr(whole, name)[first : first + count])


def test_seeds_and_splits_have_their_own_streams():
    a, b = episodes(train_seed=0), episodes(train_seed=1)
    assert not same(a.batch("train", 0, 8), b.batch("train", 0, 8))
    assert same(a.batch("val", 0, 8), b.batch("val", 0, 8))  # the evaluation seed is shared
    assert (a.arrays("train", 0, 9)["support"] != a.arrays("trainval", 0, 9)["support"]).any()
    assert (a.arrays("train", 0, 9)["support"] != a.arrays("train", 256, 9)["support"]).any()


def test_test_switches_leave_training_alone():
    a, b = episodes(), episodes(test_ways=20, test_shots=5, test_queries=1)
    assert a.task_digest("train", 300) == b.task_digest("train", 300)
    assert a.task_digest("val", 300) == b.task_digest("val", 300)


def test_test_split_is_locked_while_training():
    source = episodes()
    with pytest.raises(TestSplitLocked, match="before training has ended"):
        source.batch("test", 0, 1)
    with pytest.raises(TestSplitLocked):
        source.task_digest("test", 1)
    source.end_training()
    assert len(source.batch("test", 0, 3)) == 3
    with pytest.raises(HarnessError, match="training has ended"):
        source.batch("train", 0, 1)


DIGESTS = """
import os, sys, torch
from harness.protocol import read_switches
from harness.tasks.image_episodes import ImageEpisodes, ImageEpisodeSettings
base, processes = eval(sys.argv[1]), int(sys.argv[2])

def digests(process):
    source = ImageEpisodes(
        read_switches(ImageEpisodeSettings, base, "tasks"), 0, 100, torch.device("cpu")
    )
    for i in range(process, 8, processes):
        batch = source.batch("train", i * 100, 100)
        weights = torch.arange(batch.query_x[0].numel(), dtype=torch.float64)
        checked = int((batch.query_x.double().flatten(1) @ weights).sum())
        numbers = [i, checked, *batch.support_x.sum((1, 2, 3, 4)).int().tolist()]
        # In one piece: several processes write to one pipe.
        os.write(1, (" ".join(map(str, numbers)) + chr(10)).encode())

# Forked before anything is drawn: importing torch once is enough.
children = []
for process in range(processes):
    children.append(os.fork())
    if not children[-1]:
        status = 1
        try:
            digests(process)
            status = 0
        finally:
            os._exit(status)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_the_same_episodes_in_any_number_of_processes(processes):
    base = BASE | {"rotations": "as-classes"}
    words = [sys.executable, "-c", DIGESTS, repr(base), str(processes)]
    process = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    lines = sorted(process.stdout.splitlines())
    here = episodes(rotations="as-classes")
    for i, line in enumerate(lines):
        batch = here.batch("train", i * 100, 100)
        weights = torch.arange(batch.query_x[0].numel(), dtype=torch.float64)
        checked = int((batch.query_x.double().flatten(1) @ weights).sum())
        sums = batch.support_x.sum((1, 2, 3, 4)).int().tolist()
        assert line.split() == [str(n) for n in (i, checked, *sums)]
    assert len(lines) == 8


@pytest.mark.parametrize("rotations", ["none", "as-classes", "per-class-in-task"])
def test_draws_are_uniform(rotations):
    source = episodes(rotations=rotations)
    a = source.arrays("train", 0, 256 * 40)
    classes = np.searchsorted(source.class_split.train, a["class"])
    turns = 1 if rotations == "none" else 4
    n = len(source.class_split.train)
    for way in (0, 4):
        counts = np.bincount(classes[:, way] * turns + a["rotation"][:, way], minlength=n * turns)
        assert len(counts) == n * turns
        assert stats.chisquare(counts).pvalue > 1e-3
    for image in (a["support"][:, :, 0], a["query"][:, :, 0], a["query"][:, :, 14]):
        assert stats.chisquare(np.bincount(image.ravel(), minlength=20)).pvalue > 1e-3
    pairs = np.bincount(a["support"][:, 0, 0].astype(int) * 20 + a["query"][:, 0, 0])
    allowed = np.delete(pairs[:399], np.arange(0, 399, 21))  # all but support = query
    assert allowed.sum() == 256 * 40
    assert stats.chisquare(allowed).pvalue > 1e-3


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        ({"val_ways": 21}, r"val episodes: found 21 ways.*has 20 val classes"),
        ({"test_ways": 43}, r"test episodes: found 43 ways.*has 42 test classes"),
        ({"train_ways": 99}, r"train episodes: found 99 ways"),
        ({"train_shots": 6}, r"6 shots and 15 queries are 21 images of a class, which has 20"),
        ({"test_queries": 0}, r"tasks.test_queries: found 0, wanted 1 to 100000"),
        ({"rotations": "twice"}, r"tasks.rotations: found 'twice'"),
        ({"class_split": "random-1200-432"}, r"did you mean 'random-1200-423'"),
        ({"image_size": 500}, r"found image size 500"),
    ],
)
def test_wrong_settings_are_one_sentence(switches, message):
    with pytest.raises(HarnessError, match=message):
        episodes(**switches)


def test_rotations_as_classes_allow_more_ways():
    assert episodes(rotations="as-classes", val_ways=80).batch("val", 0, 2).support_y.max() == 79
    with pytest.raises(HarnessError, match="found 80 ways"):
        episodes(rotations="train-as-classes", val_ways=80)


def test_a_split_without_validation_classes():
    source = episodes(class_split="random-1200-423")
    assert len(source.batch("train", 0, 1)) == 1
    assert (source.class_split.train == source.class_split.trainval).all()
    with pytest.raises(HarnessError, match="has no val classes"):
        source.batch("val", 0, 1)


def test_the_store_is_shared():
    assert episodes().store is episodes(train_ways=3).store
    assert episodes()._images.data_ptr() == episodes(ink="zero")._images.data_ptr()


def test_a_missing_switch():
    table = {k: v for k, v in BASE.items() if k != "ink"}
    with pytest.raises(HarnessError, match="switch 'ink' is not set"):
        read_switches(ImageEpisodeSettings, table, "tasks")


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("rotations", ROTATIONS)
def test_the_same_on_cuda(rotations):
    for ink in ("one", "zero"):
        cpu = episodes(rotations=rotations, ink=ink)
        cuda = episodes(torch.device("cuda"), rotations=rotations, ink=ink)
        a, b = cpu.batch("train", 200, 100), cuda.batch("train", 200, 100)
        for name in vars(a):
            assert getattr(b, name).device.type == "cuda"
            assert torch.equal(getattr(a, name), getattr(b, name).cpu())


@pytest.mark.omniglot
@pytest.mark.skipif(not os.environ.get("HARNESS_DATA"), reason="HARNESS_DATA is not set")
@pytest.mark.parametrize("class_split", ["random-1200-423", "vinyals-1028-172-423"])
def test_real_omniglot(class_split):
    source = episodes(dataset="omniglot", class_split=class_split, rotations="train-as-classes")
    assert not source.synthetic
    batch = source.batch("train", 0, 32)
    assert batch.query_x.shape == (32, 75, 1, 28, 28)
    assert 0.05 < batch.query_x.mean() < 0.12
    source.end_training()
    assert set(source.arrays("test", 0, 2560)["class"].ravel()) == set(source.class_split.test)
