"""Drawing and gathering image episodes, alone and beside the training step they are for."""

from __future__ import annotations

from itertools import count
from statistics import median
from time import perf_counter

import pytest
import torch
from torch.nn import functional as F

from harness.meta_gradient.func import meta_gradient
from harness.meta_gradient.problem import InnerLoop, Problem
from harness.models.strided_conv4 import StridedConv4
from harness.tasks.image_episodes import ImageEpisodes, ImageEpisodeSettings
from harness.tasks.source import BLOCK

EPISODES, WAYS = 32, 5
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


def source() -> ImageEpisodes:
    return ImageEpisodes(SETTINGS, 0, 1, torch.device("cpu"))


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


def test_batches_cost_less_than_a_twentieth_of_a_training_step():
    """Both in one process and in turn, so that a busy machine slows both."""
    tasks = source()
    model = StridedConv4(1, 64, WAYS, torch.Generator().manual_seed(0))
    params = {k: v.detach().clone() for k, v in model.named_parameters()}
    problem = Problem(model, F.cross_entropy, F.cross_entropy)
    inner = InnerLoop(1, 0.4, False, frozenset(k for k in params if k.startswith("norms")))
    meta_gradient(problem, params, tasks.batch("train", 0, EPISODES), inner)  # warm
    each, steps = BLOCK // EPISODES, []
    batches = []
    for block in range(1, 6):
        # A whole block of batches, so that drawing it is counted in full.
        start = perf_counter()
        found = [tasks.batch("train", block * BLOCK + i * EPISODES, EPISODES) for i in range(each)]
        batches.append((perf_counter() - start) / each)
        start = perf_counter()
        meta_gradient(problem, params, found[0], inner)
        steps.append(perf_counter() - start)
    share = median(batches) / median(steps)
    assert share < 0.05, f"fetching tasks takes {100 * share:.1f} % of a training step"
