"""Protocol of the wheel bandit as literals beside `paper.toml`. Sources: the paper's section 5.1;
for the CNP the notebook."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from harness.paper_tests.protocol_tables import (
    assert_every_variant,
    assert_protocol,
    lines,
    rows,
)
from harness.paper_tests.smoke_plans import smoke_method
from harness.paper_tests.starts import assert_starts, glorot
from replications.abml.network import SD, started

SHARED = {
    "task_source": "wheels",
    "tasks.delta_min": 0.0,
    "tasks.delta_max": 1.0,
    "tasks.train_wheels": 0,
    "tasks.support": 512,
    "tasks.query": 50,
    "tasks.safe": 1.2,
    "tasks.low": 1.0,
    "tasks.high": 50.0,
    "tasks.noise_sd": 0.01,
    "testing.tasks": 50,
    "testing.best_of_steps": False,
}
DELTAS = {"050": 0.5, "070": 0.7, "090": 0.9, "095": 0.95, "099": 0.99}
CELLS = {
    f"delta-{name}-{n}": {"tasks.delta": delta, "tasks.contexts": n}
    for name, delta in DELTAS.items()
    for n in (2000, 80000)
}
FIXED = {"algorithm": "fixed", "training.iterations": 1, "training.validation_tasks": 0}
# The paper says the meta-batch alone; the rest are free choices (departure 7).
MAML = {
    "method.hidden": [100, 100],
    "method.inner_steps": 5,
    "method.inner_rate": 0.1,
    "method.meta_rate": 0.001,
    "method.scale": 50.0,
    "method.first_pulls": 2,
    "method.refit_every": 20,
    "training.iterations": 10000,
    "training.iteration_cap": 10000,
    "training.meta_batch": 64,
    "training.validate_every": 500,
    "training.validation_tasks": 64,
    "training.selection": "best-validation",
}
# google/edward2, attentive_uncertainty/colabs/2019_09_10_gnp_pretrain.ipynb and pretrain_gnp.py.
CNP = {
    "algorithm": "cnp",
    "tasks.train_wheels": 100,
    "method.width": 64,
    "method.encoder_layers": 4,
    "method.decoder_layers": 3,
    "method.learning_rate": 0.01,
    "method.decay": 0.9,
    "method.epsilon": 1e-10,
    "method.norm_clip": 1000.0,
    "method.first_pulls": 2,
    "training.iterations": 10000,
    "training.iteration_cap": 10000,
    "training.meta_batch": 10,
    "training.validate_every": 50,
    "training.validation_tasks": 10,
    "training.selection": "best-validation",
}
VARIANTS = {
    "uniform": FIXED | {"method.arm": "uniform"},
    "always-safe": FIXED | {"method.arm": "safe"},
    "cnp": CNP,
    "maml": MAML | {"algorithm": "maml"},
    "abml": MAML
    | {
        "algorithm": "abml",
        "method.inner_rate": 0.002,
        "method.start_sd": 0.05,
        "method.likelihood_sd": 0.1,
        "method.hyper_shape": 2.0,
        "method.hyper_rate": 0.01,
    },
}
TABLE = rows(SHARED, CELLS, VARIANTS)


@pytest.mark.parametrize(("cell", "variant"), lines(TABLE))
def test_protocol_is_the_papers(cell: str, variant: str) -> None:
    assert_protocol("abml", cell, variant, TABLE)


def test_the_table_has_every_variant() -> None:
    assert_every_variant("abml", TABLE)


def test_the_network_starts_as_keras_starts_dense_layers() -> None:
    method, _ = smoke_method("abml/delta-070-2000", "cnp")
    inner = glorot(64, 64)
    laws: dict[str, Any] = {f"{part}.*.bias": 0.0 for part in ("encode", "decode")}
    laws |= {"encode.0.weight": glorot(7, 64), "decode.0.weight": glorot(66, 64)}
    laws |= {f"encode.{i}.weight": inner for i in (2, 4, 6)}
    laws |= {f"decode.{i}.weight": inner for i in (2, 4)} | {"decode.6.weight": glorot(64, 10)}
    assert_starts(method.weights(), laws)


@pytest.mark.parametrize("variant", ["maml", "abml"])
def test_the_start_is_glorots_and_deviations_are_as_stated(variant: str) -> None:
    method, _ = smoke_method("abml/delta-070-2000", variant)
    laws: dict[str, Any] = {f"b{i}": 0.0 for i in range(3)}
    laws |= {"w0": glorot(2, 100), "w1": glorot(100, 100), "w2": glorot(100, 5)}
    weights = method.weights()
    sds = {k: v for k, v in weights.items() if k.startswith(SD)}
    means = {k: v for k, v in weights.items() if k not in sds}
    # The first layer has 200 weights, too few for a test: a second seed's go with it.
    means["w0"] = torch.cat([means["w0"], *(started((100, 100), 0, g)["w0"] for g in others())])
    assert_starts(means, laws)
    assert len(sds) == (6 if variant == "abml" else 0)
    for value in sds.values():
        assert torch.allclose(value.exp(), torch.tensor(0.05))


def others() -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in (1, 2)]
