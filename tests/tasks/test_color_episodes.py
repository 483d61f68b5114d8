from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats

from harness.data import color_store
from harness.data.datasets import load_store
from harness.errors import HarnessError
from harness.protocol import read_switches
from harness.tasks.color_episodes import (
    IMAGENET_MEAN,
    IMAGENET_SD,
    ColorEpisodes,
    ColorEpisodeSettings,
)
from harness.tasks.registry import shared_task_source
from tests.color_trees import cifar_tree, use_few

CPU = torch.device("cpu")
BASE = {
    "dataset": "textures",
    "pixels": "unit",
    "image_size": 16,
    "resize_filter": "none",
    **{f"{s}_{n}": v for s in ("train", "val", "test") for n, v in
       {"ways": 5, "shots": 1, "queries": 15}.items()},
}  # fmt: skip


def episodes(device=CPU, train_seed=0, **switches) -> ColorEpisodes:
    s = read_switches(ColorEpisodeSettings, BASE | switches, "tasks")
    return ColorEpisodes(s, train_seed, 100, device)


def test_shapes_labels_and_attributes():
    source = episodes(train_ways=20, train_shots=2, train_queries=3)
    assert isinstance(source, shared_task_source("color_episodes"))
    assert source.image_shape == (3, 16, 16)
    assert source.synthetic
    assert source.data_digest() == source.store.digest
    batch = source.batch("train", 250, 10)  # straddles two blocks
    assert batch.support_x.shape == (10, 40, 3, 16, 16)
    assert batch.query_x.shape == (10, 60, 3, 16, 16)
    assert batch.support_x.dtype == torch.float32
    assert batch.support_y[3].tolist() == [c for c in range(20) for _ in range(2)]


def test_images_are_those_of_the_class():
    source = episodes(train_shots=2, train_queries=3)
    batch, arrays = source.batch("train", 0, 6), source.arrays("train", 0, 6)
    assert not arrays["rotation"].any()
    for t in range(6):
        for w in range(5):
            for x, name, of_each in ((batch.support_x, "support", 2), (batch.query_x, "query", 3)):
                for k in range(of_each):
                    image = source.store.images[arrays["class"][t, w], arrays[name][t, w, k]]
                    assert torch.equal(x[t, w * of_each + k], torch.from_numpy(image) / 255)


@pytest.mark.parametrize("pixels", ["train-normalised", "imagenet-normalised"])
def test_normalised_pixels(pixels):
    unit, normalised = episodes(), episodes(pixels=pixels)
    mean, sd = normalised.channel_statistics()
    if pixels == "imagenet-normalised":
        assert (mean, sd) == (IMAGENET_MEAN, IMAGENET_SD)
    x, z = unit.batch("val", 0, 4).query_x.double(), normalised.batch("val", 0, 4).query_x.double()
    for c in range(3):
        torch.testing.assert_close(z[:, :, c], (x[:, :, c] - mean[c]) / sd[c], atol=1e-5, rtol=0)


def test_train_normalised_training_images_have_mean_0_and_sd_1():
    x = episodes(pixels="train-normalised", train_ways=20).batch("train", 0, 40).query_x
    for c in range(3):
        assert abs(float(x[:, :, c].mean())) < 0.05
        assert float(x[:, :, c].std()) == pytest.approx(1, abs=0.05)


def test_classes_come_from_the_split_only():
    source = episodes()
    for split in ("train", "val", "trainval", "test"):
        if split == "test":
            source.end_training()
        drawn = set(np.unique(source.arrays(split, 0, 2560)["class"]).tolist())
        assert drawn == set(source.class_split.classes(split).tolist())
    assert len(source.class_split.trainval) == 80


def test_more_than_256_images_a_class(monkeypatch):
    """As all real colour sets have: no index wraps round, and all images are drawn alike."""
    one = load_store("textures", 8, "none")
    many = np.repeat(one.images[:, :1], 600, axis=1)
    many[..., 0, 0, 0], many[..., 0, 0, 1] = np.divmod(np.arange(600), 256)
    store = dataclasses.replace(one, images=many, digest="", _on_device={})
    monkeypatch.setattr("harness.tasks.color_episodes.load_store", lambda *_: store)
    source = episodes(image_size=8)
    arrays = source.arrays("train", 0, 256 * 8)
    assert arrays["query"].dtype == np.uint16
    drawn = np.concatenate([arrays["support"], arrays["query"]], -1)
    assert (np.sort(drawn, -1)[..., 1:] > np.sort(drawn, -1)[..., :-1]).all()
    assert stats.chisquare(np.bincount(drawn.ravel(), minlength=600)).pvalue > 1e-3
    x = (source.batch("train", 0, 20).query_x * 255).round().long()
    shown = x[:, :, 0, 0, 0] * 256 + x[:, :, 0, 0, 1]
    assert shown.flatten().tolist() == arrays["query"][:20].astype(int).ravel().tolist()


def test_a_real_layout_gives_episodes(tmp_path, monkeypatch):
    pytest.importorskip("PIL")
    use_few(monkeypatch, tmp_path, "cifar-fs")
    cifar_tree(tmp_path / "data")
    load_store.cache_clear()
    few = {f"{s}_{n}": v for s, ways in (("train", 3), ("val", 1), ("test", 2))
           for n, v in {"ways": ways, "shots": 1, "queries": 5}.items()}  # fmt: skip
    source = episodes(dataset="cifar-fs", image_size=32, **few)
    load_store.cache_clear()
    assert not source.synthetic
    assert source.batch("train", 0, 4).query_x.shape == (4, 15, 3, 32, 32)
    assert (tmp_path / "cache" / "stores" / "cifar-fs-32-none-v3.safetensors").is_file()
    assert source._images.data_ptr() == source.store.images.ctypes.data, "mapped, not copied"


@pytest.mark.parametrize("dataset", ["cifar-fs", "fc100", "mini-imagenet"])
def test_every_name_leads_to_its_images(dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    assert dataset in color_store.COLOR_SETS
    with pytest.raises(HarnessError, match=r"found no (CIFAR-100|mini-ImageNet) images"):
        episodes(dataset=dataset, image_size=32)


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        ({"test_ways": 21}, r"test episodes: found 21 ways.*'textures' has 20 test classes"),
        ({"train_shots": 26}, r"26 shots and 15 queries are 41 images of a class, which has 40"),
        ({"pixels": "normalised"}, r"tasks.pixels: found 'normalised'"),
        ({"dataset": "cifarfs"}, r"did you mean 'cifar-fs'"),
        ({"resize_filter": "lancos"}, r"did you mean 'lanczos'"),
        ({"dataset": "fc100", "image_size": 84}, r"found image size 84, wanted 8 to 32"),
    ],
)
def test_wrong_settings_are_one_sentence(switches, message):
    with pytest.raises(HarnessError, match=message):
        episodes(**switches)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("pixels", ["unit", "train-normalised", "imagenet-normalised"])
def test_the_same_on_cuda(pixels):
    cuda = episodes(torch.device("cuda"), pixels=pixels)
    a, b = episodes(pixels=pixels).batch("train", 200, 100), cuda.batch("train", 200, 100)
    assert cuda._images.dtype == torch.uint8
    for name in vars(a):
        assert getattr(b, name).device.type == "cuda"
        # CUDA multiplies by 1/255 where a CPU divides: the last bit may differ.
        torch.testing.assert_close(getattr(a, name), getattr(b, name).cpu(), rtol=1e-6, atol=1e-6)
