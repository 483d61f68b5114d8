"""Drawing and gathering image episodes, alone and beside the training step they are for."""

from __future__ import annotations

from itertools import count

import pytest
import torch
from torch.nn import functional as F

from harness.meta_gradient.engines import DEFAULT, engine
from harness.meta_gradient.problem import InnerLoop, Problem
from harness.models.strided_conv4 import StridedConv4
from harness.tasks.image_episodes import ImageEpisodes, ImageEpisodeSettings
from harness.tasks.source import BLOCK
from tests.bench.interleave import interleave

EPISODES, WAYS = 32, 5
BATCHES = BLOCK // EPISODES
SETTINGS = ImageEpisodeSettings(
    dataset="glyphs",
    class_split="random-1100-100-423",
    split_seed=0,
    rotations="per-class-in-task",
    ink="one",
    image_size=28,
    resize_filter="nearest",
    **{f"{split}_ways": WAYS for split in ("train", "val", "test")},
    **{f"{split}_{n}": 1 for split in ("train", "val", "test") for n in ("shots", "queries")},
)


def source(device: str = "cpu") -> ImageEpisodes:
    return ImageEpisodes(SETTINGS, 0, 1, torch.device(device))


@pytest.mark.benchmark(group="32 glyph episodes, 5-way 1-shot")
def test_batches_in_order(benchmark):
    """As training asks for them: a block is drawn every eighth batch."""
    tasks, i = source(), count()
    batch = benchmark(lambda: tasks.batch("train", EPISODES * next(i), EPISODES))
    assert batch.support_x.shape == (EPISODES, WAYS, 1, 28, 28)


@pytest.mark.benchmark(group="32 glyph episodes, 5-way 1-shot")
def test_drawing_one_block(benchmark):
    """256 episodes of raw indices: what eight batches share."""
    tasks, i = source(), count()
    arrays = benchmark(lambda: tasks.draw_block("train", next(i)))
    assert arrays["support"].shape == (BLOCK, WAYS, 1)


def fetching_and_steps(device, steps):
    """Return what fetches a whole block of batches, so that drawing it is counted in full, and what
    takes `steps` meta-gradients on such a batch."""
    tasks, block = source(device), count()
    model = StridedConv4(1, 64, WAYS, torch.Generator().manual_seed(0)).to(device)
    params = {k: v.detach().clone() for k, v in model.named_parameters()}
    problem = Problem(model, F.cross_entropy, F.cross_entropy)
    inner = InnerLoop(1, 0.4, False, frozenset(k for k in params if k.startswith("norms")))
    batch = tasks.batch("train", 0, EPISODES)

    def fetch():
        first = next(block) * BLOCK
        for i in range(BATCHES):
            tasks.batch("train", first + i * EPISODES, EPISODES)

    def step():
        for _ in range(steps):
            engine(DEFAULT)(problem, params, batch, inner)

    return {"fetching tasks": fetch, "meta-gradients": step}


def test_batches_cost_less_than_a_twentieth_of_a_training_step(device):
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    work = fetching_and_steps(device, steps=1)
    timings = interleave(work, least_rounds=5, most_rounds=5, wait=wait)
    share = timings.ratio("fetching tasks", "meta-gradients").median / BATCHES
    assert share < 0.05, f"fetching tasks takes {100 * share:.1f} % of a training step"


def test_share_of_fetching_in_training(device, compare):
    """The same, measured longer, printed and kept: the ratio is the share."""
    title = f"share of fetching: {BATCHES} batches of {EPISODES} glyph episodes and as many steps"
    work = fetching_and_steps(device, steps=BATCHES)
    comparison = compare("share-of-fetching", title, work, "meta-gradients", device)
    assert comparison.timings.ratio("fetching tasks", "meta-gradients").median < 0.05
