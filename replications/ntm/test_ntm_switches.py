"""Each switch of the Turing machines and of the LSTM is seen where it works, and nowhere else."""

from __future__ import annotations

import pytest

from harness.paper_tests.smoke_plans import smoke_method
from harness.paper_tests.switch_effects import (
    TESTING,
    THROUGHOUT,
    TRAINING,
    assert_seen,
    maker,
    switch_names,
)
from replications.ntm.method import LstmSettings, NtmSettings

CELL = "ntm/copy"
SMALL = {
    "tasks.bits": 3,
    "tasks.longest": 3,
    "tasks.longest_at_test": 5,
    "method.units": 12,
    "method.report_lengths": (2, 5),
    "method.learning_rate": 0.003,
}
MACHINE = {"method.locations": 9, "method.width": 4}
BOTH = {
    "learning_rate": (TRAINING, (1e-3, 1e-2)),
    "decay": (TRAINING, (0.5, 0.95)),
    "momentum": (TRAINING, (0.0, 0.9)),
    "epsilon": (TRAINING, (1e-4, 1e-2)),
    "centred": (TRAINING, ()),
    "clip": (TRAINING, (1e-3, 10.0)),
    "loss": (TRAINING, ()),
    "report_lengths": (TESTING, ((2, 5), (1, 5))),
    "units": (THROUGHOUT, (12, 13)),
}
"""Where each switch is seen; with its values, where they are not choices by name."""
SEEN = {
    "ntm-lstm": BOTH
    | {
        "controller": (THROUGHOUT, ()),
        "locations": (THROUGHOUT, (9, 12)),
        "width": (THROUGHOUT, (4, 5)),
        "reach": (THROUGHOUT, (1, 2)),
        "learned_start": (TRAINING, ()),
    },
    "lstm": BOTH | {"layers": (THROUGHOUT, (1, 2))},
}
SETTINGS = {"ntm-lstm": NtmSettings, "lstm": LstmSettings}


@pytest.mark.parametrize(
    ("variant", "switch"), [(v, s) for v in SETTINGS for s in switch_names(SETTINGS[v])]
)
def test_each_switch_is_seen_where_it_works(variant, switch):
    small = SMALL | (MACHINE if variant == "ntm-lstm" else {})
    _, tasks = smoke_method(CELL, variant, small)
    steps, test = [tasks.batch("train", i, 1) for i in range(3)], tasks.batch("val", 0, 20)
    make = maker(CELL, variant, small)
    assert_seen(SEEN[variant], SETTINGS[variant], switch, make, steps, test)
