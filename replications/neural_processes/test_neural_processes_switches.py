"""Each switch of the networks is seen where it works, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from harness.paper_tests.smoke_plans import smoke_method
from harness.paper_tests.switch_effects import (
    TESTING,
    THROUGHOUT,
    TRAINING,
    Places,
    assert_seen,
    maker,
    switch_names,
)
from replications.neural_processes.method import (
    AttentiveSettings,
    ConvolutionalSettings,
    LatentSettings,
    PointSettings,
)
from replications.neural_processes.predictor import Prediction

CELL = "neural_processes/noisy-matern"
SMALL = {"width": 8, "decay_epochs": 1, "epoch": 1, "report_contexts": (3,)}
EXACT: dict[str, tuple[Places, tuple[Any, ...]]] = {
    "least_deviation": (THROUGHOUT - {"weights"}, (0.01, 0.9)),
    "report_contexts": (TESTING, ((3,), (5,))),
}
LEARNED: dict[str, tuple[Places, tuple[Any, ...]]] = {
    **EXACT,
    "least_deviation": (THROUGHOUT, (0.01, 0.5)),
    "width": (THROUGHOUT, (8, 16)),
    "learning_rate": (TRAINING, (0.001, 0.01)),
    "decay": (TRAINING, (1.0, 10.0)),
    "decay_epochs": (TRAINING, (1, 3)),
    "epoch": (TRAINING, (1, 2)),
    "encoder_width": (THROUGHOUT, (8, 12)),
    "heads": (THROUGHOUT, (1, 4)),
    "blocks": (THROUGHOUT, (1, 2)),
    "taps": (THROUGHOUT, (3, 5)),
    "density": (THROUGHOUT, (16, 32)),
    "samples": (TRAINING, (1, 3)),
    "test_samples": (TESTING, (1, 3)),
    "test_latent": (TESTING, ()),
}
OWN: dict[str, tuple[type, dict[str, Any]]] = {
    "cnp": (PointSettings, {"encoder_width": 8}),
    "attn-cnp": (AttentiveSettings, {"encoder_width": 8, "heads": 2}),
    "conv-cnp": (ConvolutionalSettings, {"blocks": 1, "taps": 3, "density": 16}),
    "lnp": (LatentSettings, {"encoder_width": 8, "test_samples": 2}),
}
SWITCHES = [(variant, name) for variant, (kind, _) in OWN.items() for name in switch_names(kind)]


def batches(variant: str) -> tuple[list[Any], Any]:
    _, tasks = smoke_method(CELL, variant, {})
    return [tasks.batch("train", 8 * i, 8) for i in range(3)], tasks.batch("val", 0, 8)


@pytest.mark.parametrize(("variant", "switch"), SWITCHES)
def test_each_switch_is_seen_where_it_works(variant: str, switch: str) -> None:
    settings, own = OWN[variant]
    make = maker(CELL, variant, {}, **(SMALL | own))
    assert_seen(LEARNED, settings, switch, make, *batches(variant))


@pytest.mark.parametrize("switch", switch_names(Prediction))
def test_switches_of_the_exact_process_are_seen(switch: str) -> None:
    own = {"report_contexts": (3,)}
    assert_seen(EXACT, Prediction, switch, maker(CELL, "exact", {}, **own), *batches("exact"))
