"""Protocol of the Neural Process Family as literals beside `paper.toml`. Source: the notebooks of
jupyter/reproducibility and `utils/ntbks_helpers.py` (README.md, departures)."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from harness.paper_tests.protocol_tables import (
    assert_every_variant,
    assert_protocol,
    lines,
    rows,
)
from harness.paper_tests.published_methods import published_method
from harness.paper_tests.starts import (
    assert_law,
    assert_starts,
    drawn,
    normal,
    torch_default,
    uniform,
)
from replications.neural_processes.convolution import SetConvolution

SHARED = {
    "task_source": "gaussian-process",
    "tasks.period": 0.5,
    "tasks.points": 128,
    "tasks.input_min": -2.0,
    "tasks.input_max": 2.0,
    "tasks.context_min": 0,
    "tasks.context_max": 50,
    "tasks.inputs_shared_by": 8,  # departure 2
    "tasks.count_shared_by": 32,
    "tasks.test_count_shared_by": 1,  # departure 3
    "method.least_deviation": 0.01,
    "method.report_contexts": (1, 5, 20, 50),
    "testing.tasks": 10000,
    "testing.best_of_steps": False,
    "testing.task_seed": 123,
    "training.selection": "last",
}
CELLS = {
    "rbf": {"tasks.kernel": "rbf", "tasks.length": 0.2, "tasks.noise": 0.0},
    "periodic": {"tasks.kernel": "periodic", "tasks.length": 0.5, "tasks.noise": 0.0},
    "noisy-matern": {"tasks.kernel": "noisy-matern", "tasks.length": 0.2, "tasks.noise": 0.1},
}
TRAINED = {
    "method.width": 128,
    "method.learning_rate": 0.001,
    "method.decay": 10.0,
    "method.decay_epochs": 100,
    "method.epoch": 1563,  # 50,000 functions
    "training.iterations": 156300,
    "training.iteration_cap": 156300,
    "training.meta_batch": 32,
}
CNP = TRAINED | {"algorithm": "cnp", "method.encoder_width": 256}
LNP = TRAINED | {
    "algorithm": "latent-np",
    "method.encoder_width": 256,
    "method.samples": 1,
    "method.test_samples": 32,
}
VARIANTS = {
    "cnp": CNP,
    "lnp": LNP | {"method.test_latent": "targets"},
    "lnp-context-alone": LNP | {"method.test_latent": "context"},
    "attn-cnp": TRAINED
    | {"algorithm": "attentive-cnp", "method.encoder_width": 128, "method.heads": 8},
    "conv-cnp": TRAINED
    | {
        "algorithm": "convolutional-cnp",
        "method.blocks": 5,
        "method.taps": 19,
        "method.density": 64,
    },
    "exact": {"algorithm": "exact-process", "training.iterations": 1},
}
# github.com/juho-lee/bnp, regression/data/gp.py, gp.py and configs/gp/cnp.yaml.
RANGES = {
    "task_source": "gaussian-process-ranges",
    "tasks.kernel": "rbf",
    "tasks.length_min": 0.1,
    "tasks.length_max": 0.6,
    "tasks.scale_min": 0.1,
    "tasks.scale_max": 1.0,
    "tasks.period_min": 0.1,
    "tasks.period_max": 0.5,
    "tasks.noise_sd": 0.02,
    "tasks.input_min": -2.0,
    "tasks.input_max": 2.0,
    "tasks.context_min": 3,
    "tasks.context_max": 46,
    "tasks.targets_min": 3,
    "tasks.points_max": 49,
    "method.least_deviation": 0.1,
    "testing.tasks": 48000,  # 3000 batches of 16
    "testing.task_seed": 42,
    "testing.best_of_steps": False,
}
POOLED = {
    "algorithm": "pooled-cnp",
    "method.width": 128,
    "method.point_layers": 4,
    "method.mean_layers": 2,
    "method.decoder_layers": 3,
    "method.learning_rate": 0.0005,
    "method.schedule_iterations": 100000,
    "training.iterations": 100000,
    "training.iteration_cap": 100000,
    "training.meta_batch": 100,
    "training.selection": "last",
}
TABLE = rows(SHARED, CELLS, VARIANTS) | rows(
    RANGES,
    {
        "ranges-rbf": {"tasks.test_kernel": "rbf"},
        "ranges-matern": {"tasks.test_kernel": "matern-5/2"},
        "ranges-periodic": {"tasks.test_kernel": "periodic"},
    },
    {
        "cnp": POOLED,
        "cnp-16": POOLED | {"training.meta_batch": 16},
        "exact": {"algorithm": "exact-ranged", "training.iterations": 1},
    },
)


@pytest.mark.parametrize(("cell", "variant"), lines(TABLE))
def test_protocol_is_the_notebooks(cell: str, variant: str) -> None:
    assert_protocol("neural_processes", cell, variant, TABLE)


def test_the_table_has_every_variant() -> None:
    assert_every_variant("neural_processes", TABLE)


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def he(inputs: int) -> Any:
    """Return He and others' uniform law: within ± sqrt(6 / inputs)."""
    return uniform((6 / inputs) ** 0.5)


POINTS = {
    "encode.*.0.weight": he(1),
    "encode.inputs.2.weight": he(128),
    "encode.points.resize.2.weight": he(32),
    "encode.first": he(128),
    "decode.resize.*.weight": he(128),
    "decode.layers.*.weight": he(128),
    "*.bias": 0,
}
NARROW = POINTS | {"encode.points.layers.[24].weight": he(128)}
WIDE = POINTS | {"encode.points.layers.[24].weight": he(256)}


def starting(variant: str, seeds: int = 4) -> dict[str, Tensor]:
    """Return the weights at the start of some trainings; layers of one input stay apart."""
    weights = drawn(
        lambda seed: published_method("neural_processes", "rbf", variant, seed).weights(), seeds
    )
    weights["encode.first"] = weights.pop("encode.points.layers.0.weight")
    return weights


@pytest.mark.parametrize(
    ("variant", "laws"), [("cnp", WIDE), ("lnp", WIDE | {"believe.*.weight": he(128)})]
)
def test_encoders_and_decoders_start_as_the_authors(variant: str, laws: dict[str, Any]) -> None:
    assert_starts(starting(variant), laws)


def test_attention_starts_as_the_authors() -> None:
    weights = starting("attn-cnp")
    assert_law(weights.pop("attend.query.bias"), torch_default(128), "attend.query.bias")
    laws = {f"attend.{part}.weight": normal((2 / 144) ** 0.5) for part in ("key", "query", "value")}
    norms = {"attend.norms.*.weight": 1, "attend.after.*.weight": he(128)}
    assert_starts(weights, NARROW | laws | norms)


def test_convolutions_start_as_torch_does() -> None:
    weights = published_method("neural_processes", "rbf", "conv-cnp").weights()
    onto = drawn(lambda seed: dict(SetConvolution(1, 128, rng(seed)).named_parameters()), 4)
    assert_law(onto["resize.weight"], torch_default(2), "onto_grid.resize.weight")
    assert_law(onto["resize.bias"], torch_default(2), "onto_grid.resize.bias")
    apart = ("onto_grid", "raw_scale", "tracked", "off_grid.resize.bias")
    assert_starts(
        {name: w for name, w in weights.items() if not any(part in name for part in apart)},
        {
            "blocks.*.separable.?.0.weight": 1,
            "blocks.*.separable.?.0.bias": 0,
            "blocks.*.running_mean": 0,
            "blocks.*.running_var": 1,
            "blocks.*.separable.?.2.*": torch_default(19),
            "blocks.*.mix.*": torch_default(128),
            "off_grid.resize.weight": torch_default(129),
            "decode.*.weight": he(128),
            "decode.*.bias": 0,
        },
    )


def test_a_set_convolution_starts_narrow() -> None:
    """At 1/256 from a key a point has 0.9 of the density of one on it (`ExpRBF`)."""
    layer = SetConvolution(1, 1, rng(0)).double()
    with torch.no_grad():
        layer.resize.weight.copy_(torch.tensor([[0.0, 1.0]]))  # the density alone
        layer.resize.bias.zero_()
        here = torch.tensor([[0.0, 1 / 256]], dtype=torch.float64)
        density = layer(here[:, :1], here, torch.ones(1, 1, 1, dtype=torch.float64))
    assert density.flatten().tolist() == pytest.approx([1.0, 0.9], abs=1e-3)
