from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from harness.errors import HarnessError
from harness.protocol import read_switches
from harness.tasks.batch import SupervisedBatch
from harness.tasks.color_episodes import ColorEpisodes, ColorEpisodeSettings
from replications.closer_look.augment import centre_box, crop
from replications.closer_look.tasks import LabelledBatch, LabelledImages, LabelledImageSettings

IMAGES = {"dataset": "textures", "pixels": "unit", "image_size": 16, "resize_filter": "none"}
COUNTS = {f"{s}_{n}": v for s in ("val", "test") for n, v in
          {"ways": 5, "shots": 2, "queries": 3}.items()}  # fmt: skip
PLAIN = {
    "train_least_area": 1.0,
    "train_flip": False,
    "train_jitter": 0.0,
    "test_centre_share": 1.0,
}
AUGMENTED = {
    "train_least_area": 0.08,
    "train_flip": True,
    "train_jitter": 0.4,
    "test_centre_share": 0.875,
}


def source(train_seed: int = 0, **switches: Any) -> LabelledImages:
    s = read_switches(LabelledImageSettings, IMAGES | COUNTS | PLAIN | switches, "tasks")
    return LabelledImages(s, train_seed, 100, torch.device("cpu"))


def train(tasks: LabelledImages, first: int, count: int) -> LabelledBatch:
    batch = tasks.batch("train", first, count)
    assert isinstance(batch, LabelledBatch)
    return batch


def test_every_training_image_comes_once_an_epoch() -> None:
    tasks = source()
    assert tasks.images == 64 * 40
    assert tasks.ways("train") == 64
    epochs = [tasks.arrays("train", e * tasks.images, tasks.images) for e in range(2)]
    classes = tasks.episodes.class_split.train
    every = (classes[:, None] * 40 + np.arange(40)).ravel()
    for arrays in epochs:
        assert sorted(arrays["row"]) == sorted(every)
        assert (classes[arrays["label"]] == arrays["row"] // 40).all()
    assert (epochs[0]["row"] != epochs[1]["row"]).any()
    # 2,560 is ten blocks; an epoch may also end within one.
    straddling = source(dataset="textures")
    straddling.episodes.class_split.__dict__["train"] = classes[:3]
    assert straddling.images == 120
    by_epoch = straddling.arrays("train", 0, 360)["row"].reshape(3, 120)
    assert (np.sort(by_epoch) == np.sort(every[:120])).all()


def test_images_are_those_of_the_store() -> None:
    tasks = source()
    batch, arrays = train(tasks, 500, 20), tasks.arrays("train", 500, 20)
    store = tasks.episodes.store
    wanted = torch.from_numpy(np.asarray(store.images)).flatten(0, 1)[arrays["row"]]
    assert torch.equal(batch.x, wanted.float() / 255)
    assert batch.y.tolist() == arrays["label"].tolist()
    assert len(batch) == 20


def test_a_task_is_a_function_of_seed_and_index() -> None:
    whole = train(source(**AUGMENTED), 0, 40)
    other = source(**AUGMENTED)
    other.batch("train", 5000, 3)
    assert torch.equal(train(other, 17, 5).x, whole.x[17:22])
    assert not torch.equal(train(source(1, **AUGMENTED), 0, 40).x, whole.x)


def test_augmentation_changes_images_and_not_classes() -> None:
    plain, changed = train(source(), 0, 64), train(source(**AUGMENTED), 0, 64)
    assert torch.equal(plain.y, changed.y)
    assert (plain.x - changed.x).flatten(1).abs().amax(1).min() > 0.01
    assert changed.x.min() >= 0
    assert changed.x.max() <= 1
    mirrored = train(source(train_flip=True), 0, 64).x
    turned = [torch.equal(a, b.flip(-1)) for a, b in zip(mirrored, plain.x, strict=True)]
    same = [torch.allclose(a, b, atol=1e-5) for a, b in zip(mirrored, plain.x, strict=True)]
    near = [torch.allclose(a, b.flip(-1), atol=1e-5)
            for a, b in zip(mirrored, plain.x, strict=True)]  # fmt: skip
    assert all(s != n for s, n in zip(same, near, strict=True))
    assert 16 < sum(near) < 48
    assert sum(turned) <= sum(near)


def test_pixels_are_normalised_after_the_jitter() -> None:
    unit = train(source(**AUGMENTED), 0, 8).x
    normal = train(source(**AUGMENTED, pixels="train-normalised"), 0, 8).x
    mean, sd = (
        torch.tensor(c)[:, None, None]
        for c in source(pixels="train-normalised").episodes.channel_statistics()
    )
    torch.testing.assert_close(normal, (unit - mean) / sd)


def test_test_tasks_are_those_of_color_episodes() -> None:
    more = {f"train_{n}": 1 for n in ("ways", "shots", "queries")}
    s = read_switches(ColorEpisodeSettings, IMAGES | COUNTS | more, "tasks")
    episodes, tasks = ColorEpisodes(s, 5, 100, torch.device("cpu")), source()
    for each in (episodes, tasks):
        each.end_training()
    assert tasks.task_digest("test", 300) == episodes.task_digest("test", 300)
    one, other = tasks.batch("test", 3, 2), episodes.batch("test", 3, 2)
    assert isinstance(one, SupervisedBatch)
    for name in ("support_x", "support_y", "query_x", "query_y"):
        assert torch.equal(getattr(one, name), getattr(other, name))


def test_the_centre_of_test_images() -> None:
    whole, middle = source(), source(test_centre_share=0.5)
    for tasks in (whole, middle):
        tasks.end_training()
    x, cropped = (t.batch("test", 0, 1).query_x[0] for t in (whole, middle))
    box = torch.from_numpy(centre_box(16, 0.5)).expand(len(x), 4)
    assert torch.equal(cropped, crop(x, box, torch.zeros(len(x), dtype=torch.bool)))
    # Halves are scaled by two: the middle of four pixels is their mean.
    assert not torch.equal(cropped, x)


def test_training_ends_before_the_test() -> None:
    tasks = source()
    with pytest.raises(HarnessError, match="cannot be read before training has ended"):
        tasks.batch("test", 0, 1)
    tasks.end_training()
    with pytest.raises(HarnessError, match="no training task"):
        tasks.batch("train", 0, 1)


@pytest.mark.parametrize(
    ("switch", "sentence"),
    [
        ("train_least_area", "train_least_area: found 0.0, wanted above 0, at most 1"),
        ("test_centre_share", "test_centre_share: found 0.0, wanted above 0, at most 1"),
        ("train_jitter", "train_jitter: found -1.0, wanted 0 to 1"),
    ],
)
def test_wrong_switches_are_one_sentence(switch: str, sentence: str) -> None:
    with pytest.raises(HarnessError, match=sentence):
        source(**{switch: -1.0 if switch == "train_jitter" else 0.0})


def test_train_and_validation_are_not_joined() -> None:
    with pytest.raises(HarnessError, match="only training classes have labelled images"):
        source().batch("trainval", 0, 1)
