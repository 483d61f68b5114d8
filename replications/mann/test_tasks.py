from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from harness.errors import HarnessError
from harness.protocol import read_switches
from harness.tasks.source import BLOCK, TestSplitLocked
from replications.mann.tasks import ClassSequences, ClassSequenceSettings

CPU = torch.device("cpu")
BASE = {
    "dataset": "glyphs",
    "class_split": "random-1200-423",
    "split_seed": 0,
    "rotations": "as-classes",
    "ink": "one",
    "image_size": 20,
    "resize_filter": "nearest",
    "classes": 5,
    "instances": 10,
    "label_length": 1,
    "label_symbols": 5,
}
STRINGS = {"classes": 15, "label_length": 5}
DISTORTED = {"rotations": "as-classes-distorted"}


def sequences(device=CPU, train_seed=0, evaluation_seed=100, **switches) -> ClassSequences:
    s = read_switches(ClassSequenceSettings, BASE | switches, "tasks")
    return ClassSequences(s, train_seed, evaluation_seed, device)


def drawn(tasks=20 * BLOCK, **switches):
    return sequences(**switches).arrays("train", 0, tasks)


def same(a, b) -> bool:
    return all(torch.equal(getattr(a, n), getattr(b, n)) for n in vars(a))


def even(counts) -> bool:
    return stats.chisquare(np.asarray(counts).ravel()).pvalue > 1e-3


def test_shapes():
    source = sequences(**STRINGS)
    assert source.synthetic
    batch = source.batch("train", 250, 10)  # straddles two blocks
    assert len(batch) == 10
    assert batch.images.shape == (10, 150, 1, 20, 20)
    assert batch.images.dtype == torch.float32
    assert batch.labels.shape == (10, 150, 5)
    assert batch.instance.shape == (10, 150)
    assert (batch.labels.min(), batch.labels.max()) == (0, 4)


@pytest.mark.parametrize("switches", [{}, STRINGS, {"rotations": "none", "ink": "zero"}])
def test_a_sequence_is_what_a_plain_loop_makes_of_the_draw(switches):
    source = sequences(**switches)
    arrays, batch = source.arrays("train", 3, 4), source.batch("train", 3, 4)
    for t in range(4):
        shown: dict[int, list[int]] = {}
        for step in range(source.settings.classes * 10):
            way = int(arrays["position"][t, step])
            image = int(arrays["image"][t, step])
            assert image not in shown.setdefault(way, [])
            shown[way].append(image)
            pixels = source.store.images[arrays["class"][t, way], image]
            pixels = np.rot90(pixels, int(arrays["rotation"][t, way])).astype(np.float32) / 255
            if source.settings.ink == "zero":
                pixels = 1 - pixels
            np.testing.assert_allclose(batch.images[t, step, 0].numpy(), pixels, atol=1e-6)
            assert batch.labels[t, step].tolist() == arrays["label"][t, way].tolist()
            assert batch.instance[t, step] == len(shown[way])
        assert {len(v) for v in shown.values()} == {10}


@pytest.mark.parametrize("ink", ["one", "zero"])
def test_distortions_change_what_is_seen_and_nothing_else(ink):
    clean, source = sequences(ink=ink), sequences(ink=ink, **DISTORTED)
    arrays, plain = source.arrays("train", 3, 4), clean.arrays("train", 3, 4)
    assert all((arrays[name] == plain[name]).all() for name in plain)
    assert set(arrays) - set(plain) == {"degrees", "shift"}
    there, here = source.batch("train", 3, 4), clean.batch("train", 3, 4)
    assert there.images.shape == here.images.shape
    assert not torch.equal(there.images, here.images)
    assert torch.equal(there.labels, here.labels)
    # By nothing, at every quarter turn, it is every fifth pixel or so of the large image.
    arrays["degrees"][:], arrays["shift"][:] = 0, 0
    undone = source.to_batch(arrays).images
    picked = np.floor((np.arange(20) + 0.5) * 105 / 20).astype(int)
    for t, step in ((0, 0), (3, 49), (2, 17), (1, 30)):
        way = int(arrays["position"][t, step])
        large = source.store.images[arrays["class"][t, way], arrays["image"][t, step]]
        small = np.rot90(large[picked][:, picked], int(arrays["rotation"][t, way])) / 255
        np.testing.assert_allclose(undone[t, step, 0], 1 - small if ink == "zero" else small)
    paper = 1.0 if ink == "zero" else 0.0
    assert (there.images == paper).float().mean() > 0.5


def test_classes_of_distorted_sequences_are_all_turns():
    arrays = drawn(BLOCK, **DISTORTED)
    assert set(arrays["rotation"].ravel().tolist()) == {0, 1, 2, 3}
    assert sequences(**DISTORTED).image_shape == (1, 20, 20)


@pytest.mark.parametrize("switches", [{}, STRINGS])
def test_classes_and_labels_of_a_task_differ(switches):
    arrays = drawn(BLOCK, **switches)
    kinds = arrays["class"].astype(int) * 4 + arrays["rotation"]
    labels = (arrays["label"].astype(int) * 5 ** np.arange(arrays["label"].shape[2])).sum(-1)
    for rows in (kinds, labels):
        ordered = np.sort(rows, 1)
        assert (ordered[:, 1:] > ordered[:, :-1]).all()


def test_classes_labels_orders_and_images_are_uniform():
    arrays = drawn()
    tasks = len(arrays["class"])
    classes = sequences().class_split.train
    kinds = np.searchsorted(classes, arrays["class"]) * 4 + arrays["rotation"]
    assert even(np.bincount(kinds.ravel(), minlength=4 * len(classes)))
    for way in range(5):
        assert even(np.bincount(arrays["label"][:, way, 0], minlength=5))
    for step in (0, 1, 24, 49):
        assert even(np.bincount(arrays["position"][:, step], minlength=5))
        assert even(np.bincount(arrays["image"][:, step], minlength=20))
    # A neighbour of the same class: 9 of the 49 other cards.
    again = (arrays["position"][:, 1] == arrays["position"][:, 0]).sum()
    assert stats.binomtest(int(again), tasks, 9 / 49).pvalue > 1e-3


def test_strings_are_uniform():
    label = drawn(**STRINGS)["label"]
    for symbol in range(5):
        assert even(np.bincount(label[:, 7, symbol], minlength=5))
    pairs = label[:, 0, 0].astype(int) * 5 + label[:, 1, 4]
    assert even(np.bincount(pairs, minlength=25))


def test_training_and_test_classes_are_disjoint():
    source = sequences()
    train = set(source.arrays("train", 0, 4 * BLOCK)["class"].ravel().tolist())
    with pytest.raises(TestSplitLocked):
        source.batch("test", 0, 1)
    source.end_training()
    test = set(source.arrays("test", 0, 4 * BLOCK)["class"].ravel().tolist())
    assert train == set(source.class_split.train.tolist())
    assert test == set(source.class_split.test.tolist())
    assert not train & test


def test_a_task_is_a_function_of_seed_split_and_index():
    one, other = sequences(), sequences()
    later = one.batch("train", 300, 3)
    other.batch("train", 0, 5)
    assert same(other.batch("train", 300, 3), later)
    assert not same(sequences(train_seed=1).batch("train", 300, 3), later)
    assert not same(one.batch("train", 0, 3), one.batch("trainval", 0, 3))
    for source in (one, other, sequences(train_seed=1)):
        source.end_training()
    assert one.task_digest("test", 10) == sequences_digest(train_seed=1)
    assert one.task_digest("test", 10) != sequences_digest(evaluation_seed=101)


def sequences_digest(**seeds) -> str:
    source = sequences(**seeds)
    source.end_training()
    return source.task_digest("test", 10)


def test_validation_classes_that_are_not_there_are_refused():
    with pytest.raises(HarnessError, match="has no val classes"):
        sequences().batch("val", 0, 1)
    assert len(sequences(class_split="random-1100-100-423").batch("val", 0, 1)) == 1


@pytest.mark.parametrize(
    ("switches", "sentence"),
    [
        ({"classes": 0}, "tasks.classes: found 0, wanted 1 to 255"),
        ({"instances": 21}, "tasks.instances: found 21, but a class has 20 images"),
        ({"classes": 6}, "found 6, but there are only 5 labels of length 1 with 5 symbols"),
        ({"label_length": 9}, "makes 1953125 labels, wanted at most 100000"),
        ({"rotations": "none", "classes": 60, "label_length": 5}, "has 42 test classes"),
        ({**DISTORTED, "resize_filter": "lanczos"}, "found lanczos, wanted nearest"),
        ({**DISTORTED, "image_size": 0}, "tasks.image_size: found 0, wanted 8 to 512"),
        ({**DISTORTED, "image_size": 106}, "found image size 106, wanted 8 to 105 pixels"),
    ],
)
def test_what_cannot_be_is_one_sentence(switches, sentence):
    with pytest.raises(HarnessError, match=sentence):
        sequences(**switches)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_gives_the_same_tasks():
    here = sequences().batch("train", 0, 4)
    there = sequences(device=torch.device("cuda")).batch("train", 0, 4)
    for name, value in vars(here).items():
        torch.testing.assert_close(getattr(there, name).cpu(), value)
