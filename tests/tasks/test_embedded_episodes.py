"""Episodes of embeddings are the episodes of images, embedded."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from harness.tasks import embedded_episodes as module
from harness.tasks.color_episodes import ColorEpisodes, ColorEpisodeSettings
from harness.tasks.embedded_episodes import embedded_once
from harness.tasks.image_episodes import ImageEpisodes, ImageEpisodeSettings
from harness.tasks.source import TestSplitLocked

CPU = torch.device("cpu")
COUNTS = dict.fromkeys((f"{split}_ways" for split in ("train", "val", "test")), 3)
COUNTS |= {f"{split}_shots": 2 for split in ("train", "val", "test")}
COUNTS |= {f"{split}_queries": 4 for split in ("train", "val", "test")}


def glyphs(rotations: str) -> ImageEpisodes:
    shape = {"image_size": 8, "resize_filter": "nearest", "ink": "one"}
    split = {"class_split": "vinyals-1028-172-423", "split_seed": 0, "rotations": rotations}
    return ImageEpisodes(
        ImageEpisodeSettings(dataset="glyphs", **shape, **split, **COUNTS), 0, 1, CPU
    )


def textures(pixels: str) -> ColorEpisodes:
    shape = {"image_size": 16, "resize_filter": "none"}
    return ColorEpisodes(
        ColorEpisodeSettings(dataset="textures", pixels=pixels, **shape, **COUNTS), 0, 1, CPU
    )


SOURCES = [lambda r=r: glyphs(r) for r in ("none", "as-classes", "per-class-in-task")]
SOURCES += [lambda p=p: textures(p) for p in ("unit", "train-normalised")]


@pytest.mark.parametrize("make", SOURCES)
@pytest.mark.parametrize("split", ["val", "test"])
def test_each_image_stands_where_it_would(make, split):
    episodes = make()
    episodes.end_training()
    pieces = []

    def embed(images: Tensor) -> Tensor:
        pieces.append(len(images))
        return images.flatten(1)

    many = 100_000  # episodes, so that there are fewer images than they show
    embedded = embedded_once(episodes, split, many, embed, at_once=7)
    assert embedded is not None
    assert sum(pieces) == len(episodes.rows(split)) + 1
    assert set(pieces[1:-1]) == {7}
    embeddings, images = embedded.batch(5, 6), episodes.batch(split, 5, 6)
    assert torch.equal(embeddings.support_x, images.support_x.flatten(2))
    assert torch.equal(embeddings.query_x, images.query_x.flatten(2))
    for name in ("support_y", "query_y", "classes"):
        assert torch.equal(getattr(embeddings, name), getattr(images, name))


def test_few_episodes_and_large_embeddings_are_left_alone(monkeypatch):
    episodes = textures("unit")
    each, images = 3 * (2 + 4), len(episodes.rows("val"))

    def embed(images: Tensor) -> Tensor:
        return images.flatten(1)

    fewer = images // each
    assert embedded_once(episodes, "val", fewer, embed, 7) is None
    assert embedded_once(episodes, "val", fewer + 1, embed, 7) is not None
    monkeypatch.setattr(module, "TABLE_BYTES", images * 3 * 16 * 16 * 4 - 1)
    assert embedded_once(episodes, "val", fewer + 1, embed, 7) is None


def test_the_test_split_stays_locked():
    with pytest.raises(TestSplitLocked):
        embedded_once(textures("unit"), "test", 100_000, lambda x: x.flatten(1), 7)


def test_progress_is_shown_under_a_label(capsys, monkeypatch):
    monkeypatch.setattr("harness.progress.time.monotonic", iter(range(0, 10**6, 100)).__next__)
    embedded_once(textures("unit"), "val", 100_000, lambda x: x.flatten(1), 7, "val images")
    assert capsys.readouterr().err.startswith("val images: 7/")
