"""Mean features by class."""

import torch

from harness.models.class_means import class_means


def test_by_hand_in_any_order():
    features = torch.tensor([[[0.0, 1.0], [4.0, 1.0], [2.0, 3.0]], [[1.0, 0.0]] * 3])
    labels = torch.tensor([[1, 0, 1], [0, 1, 1]])
    assert class_means(features, labels).tolist() == [
        [[4.0, 1.0], [1.0, 2.0]],
        [[1.0, 0.0], [1.0, 0.0]],
    ]
