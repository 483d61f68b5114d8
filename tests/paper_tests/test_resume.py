from __future__ import annotations

import torch

from harness.method import Method
from harness.paper_tests.resume import same_weights, with_and_without_stop


class Momentum(Method):
    """One weight w with a momentum v; `forgets` says what a resumed training starts anew."""

    forgets = ""

    def build(self, tasks):
        self.w, self.v = torch.rand(2, generator=self.generator)

    def train_step(self, batch, iteration):
        self.v = 0.9 * self.v + batch * (iteration + 1)
        self.w = self.w - self.v
        return self.w

    def evaluate(self, batch):
        return {"loss": self.w.expand(1)}

    def weights(self):
        return {"w": self.w}

    def load_weights(self, weights):
        if self.forgets != "weights":
            self.w = weights["w"]

    def training_state(self):
        return {"v": self.v}

    def load_training_state(self, state):
        if self.forgets != "state":
            self.v = state["v"]


def trained(forgets):
    def make(seed=0):
        g = torch.Generator().manual_seed(seed)
        method = Momentum(None, None, torch.device("cpu"), "", g)
        method.forgets = forgets
        return method

    return with_and_without_stop(make, [0.1, 0.7, -0.4, 0.3], 2, lambda: make(seed=1))


def test_a_resumed_training_ends_alike():
    straight, stopped = trained("")
    assert same_weights(straight, stopped)
    g = torch.Generator().manual_seed(0)
    w, v = torch.rand(2, generator=g)
    for i, x in enumerate([0.1, 0.7, -0.4, 0.3]):
        v = 0.9 * v + x * (i + 1)
        w = w - v
    assert torch.equal(stopped["w"], w)


def test_what_is_forgotten_is_seen():
    assert not same_weights(*trained("state"))
    assert not same_weights(*trained("weights"))


def test_weights_of_other_names_are_not_the_same():
    one = {"w": torch.ones(2)}
    assert not same_weights(one, {"w": torch.ones(2), "b": torch.ones(1)})
    assert not same_weights(one, {"b": torch.ones(2)})
    assert not same_weights(one, {"w": torch.tensor([1.0, 1 + 2**-23])})
