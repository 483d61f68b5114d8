"""A method with one network goes on bit for bit from what is kept of it."""

import torch
from torch import nn

from harness.methods.one_network import OneNetwork


class Line(OneNetwork):
    """A linear layer and a batch norm, trained by Adam."""

    def build(self, tasks):
        self.model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=0.1)

    def train_step(self, batch, iteration):
        loss = (self.model(batch) - 1).square().sum() + self.model[0].weight.square().sum()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.detach()

    def evaluate(self, batch):
        return {}


def line():
    return Line(None, None, torch.device("cpu"), "", torch.Generator())


def test_going_on_is_as_if_never_stopped(tmp_path):
    first, second = line(), line()
    batches = torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(0))
    for i in range(2):
        first.train_step(batches[i], i)
    torch.save({"weights": first.weights(), "state": first.training_state()}, tmp_path / "kept")
    kept = torch.load(tmp_path / "kept")
    second.load_weights(kept["weights"])
    second.load_training_state(kept["state"])
    for i in (2, 3):
        assert torch.equal(first.train_step(batches[i], i), second.train_step(batches[i], i))
    wanted = first.weights()
    assert set(wanted) == {"0.weight", "0.bias"} | {
        f"1.{k}" for k in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    }
    assert all(torch.equal(v, wanted[k]) for k, v in second.weights().items())
    assert set(first.training_state()) == {"optimiser"}


def test_weights_are_contiguous_copies():
    method = line()
    method.model[0].weight.data = torch.ones(3, 2).T
    kept = method.weights()["0.weight"]
    assert kept.is_contiguous()
    kept.zero_()
    assert method.model[0].weight.all()
