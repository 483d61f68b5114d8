from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest
import torch

from harness.method import Method
from harness.paper_tests.switch_effects import (
    AFTER,
    LOSSES,
    TESTING,
    THROUGHOUT,
    TRAINING,
    choices,
    switch_names,
    where_seen,
)

Inner = Literal["b", "c"]


@dataclass(frozen=True)
class Settings:
    kind: Literal["a", Inner]
    flag: bool
    rate: float


class Line(Method):
    """One weight w, moved by `rate` a step; scores are w + `shift`, losses `power` of w."""

    def build(self, tasks):
        self.w = torch.full((self.settings.get("size", 1),), self.settings.get("start", 1.0))

    def train_step(self, batch, iteration):
        loss = self.w.sum() ** self.settings.get("power", 1)
        self.w += self.settings.get("rate", 0.5)  # in place: what was given before must be kept
        return loss

    def evaluate(self, batch):
        return {"loss": self.w[:1] + self.settings.get("shift", 0)}

    def weights(self):
        return {"w": self.w}

    def load_weights(self, weights):
        raise NotImplementedError

    def training_state(self):
        raise NotImplementedError

    def load_training_state(self, state):
        raise NotImplementedError


def seen(switch, *values):
    def make(**switches):
        return Line(switches, None, torch.device("cpu"), "", torch.Generator())

    return where_seen(make, switch, values, [None, None], None)


@pytest.mark.parametrize(
    ("switch", "values", "places"),
    [
        ("start", (1.0, 2.0), THROUGHOUT),
        ("rate", (0.5, 0.25), TRAINING),
        ("shift", (0, 1), TESTING),
        ("power", (1, 2), {LOSSES}),
        ("rate", (0.5, 0.5 + 1e-9), set()),
        ("nobody", (1, 2, 3), set()),
    ],
)
def test_a_switch_is_seen_where_it_works(switch, values, places):
    assert seen(switch, *values) == {frozenset(places)}


def test_another_shape_is_another_number():
    assert seen("size", 1, 2) == {frozenset({LOSSES, "weights"})}


def test_one_pair_that_is_alike_is_seen_among_others():
    assert seen("shift", 0, 1, 1) == {TESTING, frozenset()}
    assert AFTER in TESTING
    assert seen("shift", 0) == set(), "one value shows nothing"


def test_values_of_a_switch():
    assert switch_names(Settings) == ["kind", "flag", "rate"]
    assert [choices(Settings, s) for s in ("kind", "flag")] == [("a", "b", "c"), (False, True)]
    assert choices(Settings, "rate") == ()
