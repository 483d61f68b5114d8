"""Episodes a second: ours against easyfsl's sampler and a torch DataLoader over the same images."""

from __future__ import annotations

from itertools import count

import pytest
import torch

from harness.tasks.image_episodes import ImageEpisodes, ImageEpisodeSettings
from harness.tasks.source import BLOCK
from tests.bench.episode_loaders import LOADERS
from tests.bench.maml_cells import dataset_at_hand

WAYS, SHOTS, META_BATCH = 5, 1, 32
OURS = "ImageEpisodes"


def source(dataset, queries, device="cpu"):
    """Episodes without rotations, which the others do not have."""
    settings = ImageEpisodeSettings(
        dataset=dataset,
        class_split="random-1100-100-423",
        split_seed=0,
        rotations="none",
        ink="one",
        image_size=28,
        resize_filter="nearest",
        **{f"{split}_ways": WAYS for split in ("train", "val", "test")},
        **{f"{split}_shots": SHOTS for split in ("train", "val", "test")},
        **{f"{split}_queries": queries for split in ("train", "val", "test")},
    )
    return ImageEpisodes(settings, 0, 1, torch.device(device))


def loader(name, tasks, queries):
    if name == "easyfsl":
        pytest.importorskip("easyfsl")
    return LOADERS[name](tasks.store, tasks.class_split.train, WAYS, SHOTS, queries)


@pytest.mark.parametrize("queries", [1, 15])
@pytest.mark.parametrize("name", LOADERS)
def test_a_loader_gives_episodes_as_ours_does(name, queries):
    """Same shapes and numbers; a label is one training class, and no image comes twice."""
    tasks = source("glyphs", queries)
    ours = tasks.batch("train", 0, 1)
    sets = (ours.support_x, ours.support_y, ours.query_x, ours.query_y)
    images = torch.from_numpy(tasks.store.images).flatten(2).float() / 255
    classes = {row.numpy().tobytes(): c for c, of in enumerate(images) for row in of}
    episodes, seen = loader(name, tasks, queries), []
    for _ in range(3):
        tensors = next(episodes)
        for mine, theirs in zip(sets, tensors, strict=True):
            assert (theirs.shape, theirs.dtype) == (mine.shape[1:], mine.dtype)
        x = torch.cat([tensors[0], tensors[2]]).flatten(1)
        labels = torch.cat([tensors[1], tensors[3]]).tolist()
        pairs = {(classes[row.numpy().tobytes()], y) for row, y in zip(x, labels, strict=True)}
        assert len(pairs) == WAYS
        assert sorted(y for _, y in pairs) == list(range(WAYS))
        assert {c for c, _ in pairs} <= set(tasks.class_split.train.tolist())
        assert len({row.numpy().tobytes() for row in x}) == WAYS * (SHOTS + queries)
        seen.append(x)
    assert not torch.equal(seen[0], seen[1])


@pytest.mark.parametrize("queries", [1, 15])
def test_episodes(queries, compare):
    """A call is a whole block, so that drawing it is counted in full."""
    dataset = dataset_at_hand()
    tasks, block = source(dataset, queries), count()
    last, left_out = {}, {}

    def ours():
        first = next(block) * BLOCK
        for i in range(0, BLOCK, META_BATCH):
            last[OURS] = tasks.batch("train", first + i, META_BATCH)

    def theirs(name):
        episodes = loader(name, tasks, queries)

        def run():
            for _ in range(BLOCK):
                last[name] = next(episodes)

        return run

    work = {OURS: ours}
    for name in LOADERS:
        try:
            work[name] = theirs(name)
        except pytest.skip.Exception:
            left_out[name] = "not installed"
    title = f"episodes: {dataset}, {WAYS}-way {SHOTS}-shot, {queries} query images per class"
    rate = {"units": BLOCK, "unit": "episodes", "left_out": left_out}
    comparison = compare(f"episodes-{queries}-queries", title, work, OURS, **rate)
    assert last.keys() == set(comparison.names)
    assert last[OURS].query_x.shape == (META_BATCH, WAYS * queries, 1, 28, 28)
