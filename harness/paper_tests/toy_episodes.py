"""Small episodes made of noise, for tests of methods that need no dataset."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.tasks.batch import SupervisedBatch


def generator(seed: int = 0) -> torch.Generator:
    """Return a CPU generator of its own."""
    return torch.Generator().manual_seed(seed)


def labels(tasks: int, ways: int, each: int) -> Tensor:
    """Return labels [tasks, ways * each] in the order of episodes: all of class 0, then of 1, …"""
    return torch.arange(ways).repeat_interleave(each).expand(tasks, -1)


def coarse_images(*count: int, scale: int, g: torch.Generator) -> Tensor:
    """Draw images [*count, 1, 4 scale, 4 scale] of 4x4 black or white squares."""
    coarse = torch.rand(*count, 1, 4, 4, generator=g).round()
    return coarse.repeat_interleave(scale, -1).repeat_interleave(scale, -2)


def noisy_copies(centres: Tensor, shots: int, queries: int, g: torch.Generator) -> SupervisedBatch:
    """Make episodes of noisy copies of one image per class, centres [tasks, ways, C, H, W]."""
    tasks, ways, *image = centres.shape

    def images(each: int) -> Tensor:
        noise = torch.rand(tasks, ways, each, *image, generator=g)
        return (0.7 * centres.unsqueeze(2) + 0.3 * noise).flatten(1, 2)

    support, query = images(shots), images(queries)
    return SupervisedBatch(support, labels(tasks, ways, shots), query, labels(tasks, ways, queries))


def batch(tasks: int, ways: int, shots: int, queries: int, seed: int = 0) -> SupervisedBatch:
    """Make episodes of images [1, 28, 28], noisy copies of one random image per class and task:
    tasks that can be learnt. `queries` are per class, as shots are."""
    g = generator(seed)
    return noisy_copies(coarse_images(tasks, ways, scale=7, g=g), shots, queries, g)


def one_task(b: SupervisedBatch, i: int) -> SupervisedBatch:
    """Return task i of a batch alone, as a batch of one."""
    part = slice(i, i + 1)
    return SupervisedBatch(b.support_x[part], b.support_y[part], b.query_x[part], b.query_y[part])
