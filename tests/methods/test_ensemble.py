"""Ensembles average outputs, not decisions and not probabilities, over weights in their order."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from harness.errors import HarnessError
from harness.methods.class_outputs import ClassOutputs
from harness.methods.ensemble import Ensemble, iterations

# Most decide for class 0, whose mean probability is the highest, too; the highest mean output is
# that of class 2.
LOGITS = {7: [3.0, 0.0, 2.0], 30: [3.0, 0.0, 2.0], 500: [-50.0, 9.0, 8.0]}


class Fixed(ClassOutputs):
    """Gives its weights as outputs for every query."""

    def build(self, tasks):
        self.logits = torch.zeros(3)

    def outputs(self, batch):
        each = self.logits.expand(*batch.query_y.shape, 3)
        return {"accuracy@0": torch.zeros_like(each), "accuracy@1": each}

    def weights(self):
        return {"logits": self.logits}

    def load_weights(self, weights):
        self.logits = weights["logits"].clone()

    def train_step(self, batch, iteration):
        return torch.zeros(())

    def training_state(self):
        return {}

    def load_training_state(self, state):
        pass


def fixed(kind=Fixed):
    return kind(None, None, torch.device("cpu"), "loop", torch.Generator())


def ensemble(logits):
    return Ensemble(fixed(), {i: {"logits": torch.tensor(x)} for i, x in logits.items()})


def test_outputs_are_averaged_before_any_softmax():
    together = ensemble(LOGITS)
    batch = SimpleNamespace(query_y=torch.tensor([[2, 2], [0, 2]]))
    assert together.evaluate(batch)["accuracy@1"].tolist() == [100.0, 50.0]
    assert together.evaluate(batch)["accuracy@0"].tolist() == [0.0, 50.0]
    each = torch.tensor(list(LOGITS.values()))
    assert each.argmax(-1).mode().values == each.softmax(-1).mean(0).argmax() == 0


def test_weights_carry_their_iterations_and_come_back_in_order():
    together = ensemble({500: LOGITS[500], 7: LOGITS[7]})
    kept = together.weights()
    assert list(kept) == ["7:logits", "500:logits"]
    again = ensemble({i: [0.0, 0.0, 0.0] for i in iterations(kept)})
    again.load_weights(dict(reversed(kept.items())))
    assert list(again.members) == [7, 500]
    assert again.members[500]["logits"].tolist() == LOGITS[500]


def test_what_is_no_iteration_is_none():
    assert iterations(["7:a", "500:a", "500:b", "x:a", "a", ":a", "²:a", "-1:a"]) == [7, 500]


class Finalised(Fixed):
    def finalise(self, validation):
        self.logits += 1


class Calibrated(Fixed):
    calibration_tasks = 5


@pytest.mark.parametrize("kind", [Finalised, Calibrated])
def test_methods_that_need_more_than_weights_are_refused(kind):
    with pytest.raises(HarnessError, match=rf"an ensemble, but {kind.__name__} gives no outputs"):
        Ensemble(fixed(kind), {})
