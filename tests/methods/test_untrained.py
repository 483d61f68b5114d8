"""What is not trained has nothing to save and nothing to restore."""

import torch

from harness.methods.untrained import Untrained


class Zero(Untrained):
    """Scores zero."""

    def train_step(self, batch, iteration):
        return self.evaluate(batch)["loss"].mean()

    def evaluate(self, batch):
        return {"loss": torch.zeros(len(batch))}


def test_nothing_is_kept():
    method = Zero(None, None, torch.device("cpu"), "", torch.Generator())
    assert method.weights() == {}
    assert method.training_state() == {}
    method.load_weights(method.weights())
    method.load_training_state(method.training_state())
    assert method.train_step([None] * 3, 0) == 0
    assert method.weights() == {}
