"""How long the sinusoid task source takes to give one meta-batch, far from and near to blocks."""

from itertools import count

import torch

from harness.tasks.sinusoids import Sinusoids, SinusoidSettings

SETTINGS = SinusoidSettings(0.1, 5.0, 0.0, 3.14, -5.0, 5.0, 5, 5, 5, 5, 5, 5, False)
META_BATCH = 25


def source():
    return Sinusoids(SETTINGS, train_seed=0, evaluation_seed=0, device=torch.device("cpu"))


def test_training_batches_in_order(benchmark):
    """As training asks for them: a block is drawn every tenth batch."""
    tasks, i = source(), count()
    batch = benchmark(lambda: tasks.batch("train", META_BATCH * next(i), META_BATCH))
    assert batch.support_x.shape == (META_BATCH, 5, 1)


def test_first_batch(benchmark):
    """A source that has drawn nothing yet: the cost of one block."""
    batch = benchmark(lambda: source().batch("train", 0, META_BATCH))
    assert len(batch) == META_BATCH
