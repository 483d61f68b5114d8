from __future__ import annotations

import torch

from harness.paper_tests.toy_episodes import batch, labels, one_task


def test_episodes_are_ordered_by_class_and_a_function_of_their_seed():
    episodes = batch(tasks=3, ways=4, shots=2, queries=5)
    assert episodes.support_x.shape == (3, 8, 1, 28, 28)
    assert episodes.query_x.shape == (3, 20, 1, 28, 28)
    assert episodes.support_y.tolist() == [[0, 0, 1, 1, 2, 2, 3, 3]] * 3
    assert torch.equal(episodes.query_y, labels(3, 4, 5))
    assert torch.equal(episodes.query_x, batch(3, 4, 2, 5).query_x)
    assert not torch.equal(episodes.query_x, batch(3, 4, 2, 5, seed=1).query_x)


def test_images_of_a_class_are_copies_of_one_with_noise():
    episodes = batch(tasks=2, ways=3, shots=2, queries=4)
    of_class = torch.cat(
        [episodes.support_x.unflatten(1, (3, 2)), episodes.query_x.unflatten(1, (3, 4))], 2
    )
    centre = (of_class[:, :, :1] > 0.5).float()
    noise = (of_class - 0.7 * centre) / 0.3
    assert -1e-5 < float(noise.min()) < 0.01
    assert 0.99 < float(noise.max()) < 1 + 1e-5


def test_one_task_is_that_of_the_batch():
    episodes = batch(3, 4, 2, 5)
    alone = one_task(episodes, 1)
    for name in ("support_x", "support_y", "query_x", "query_y"):
        assert torch.equal(getattr(alone, name), getattr(episodes, name)[1:2])
