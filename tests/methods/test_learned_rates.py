"""A start and its rates move together, are kept by name, and go on bit for bit."""

import pytest
import torch

from harness.methods.learned_rates import LearnedRates


class Two(LearnedRates):
    """A start of two tensors; one of them has a rate. `settings` says whether it is learned."""

    def build(self, tasks):
        start = {"a": torch.ones(2, requires_grad=True), "b": torch.zeros(3, requires_grad=True)}
        self.begin(start, {"a": torch.full((1, 2), 0.4)}, self.settings, 0.1)

    def train_step(self, batch, iteration):
        self.move({"a": -batch[:2], "b": batch}, {"a": batch[1:].unsqueeze(0)})
        return batch.sum()

    def evaluate(self, batch):
        return {}


def two(learn_rates):
    return Two(learn_rates, None, torch.device("cpu"), "", torch.Generator())


@pytest.mark.parametrize("learn_rates", [True, False])
def test_adam_moves_the_start_and_learned_rates(learn_rates):
    method = two(learn_rates)
    method.train_step(torch.tensor([1.0, 2.0, 3.0]), 0)
    weights = method.weights()
    # Adam's first step is as long as its rate, whatever the gradient's length.
    wanted = {"a": [1.1, 1.1], "b": [-0.1] * 3, "rate:a": [[0.3 if learn_rates else 0.4] * 2]}
    assert list(weights) == list(wanted)
    for name, value in weights.items():
        torch.testing.assert_close(value, torch.tensor(wanted[name]))


def test_going_on_is_as_if_never_stopped(tmp_path):
    first, second = two(True), two(True)
    first.train_step(torch.tensor([1.0, -2.0, 3.0]), 0)
    torch.save({"weights": first.weights(), "state": first.training_state()}, tmp_path / "kept")
    kept = torch.load(tmp_path / "kept")
    second.load_weights(kept["weights"])
    second.load_training_state(kept["state"])
    for method in (first, second):
        method.train_step(torch.tensor([-0.5, 0.1, 0.2]), 1)
    continued, wanted = second.weights(), first.weights()
    assert all(torch.equal(v, continued[k]) for k, v in wanted.items())
    assert not any(torch.equal(v, kept["weights"][k]) for k, v in wanted.items())
    assert set(first.training_state()) == {"state", "param_groups"}
