"""CNAPs' protocol, and how its networks start: literals beside `paper.toml`.

Source: the authors' code (cambridge-mlg/cnaps, master), run_cnaps.py in its mode for a single data
set. Images, extractor and pre-training are ours (README.md, departures 1 to 4).
"""

from __future__ import annotations

import math

import pytest

from harness.paper_tests.protocol_tables import (
    assert_every_variant,
    assert_protocol,
    columns,
    joined,
    lines,
    rows,
)
from harness.paper_tests.published_methods import published_method
from harness.paper_tests.starts import assert_starts, drawn, normal, torch_default

CNAPS = {
    "algorithm": "cnaps",
    "method.widths": [64, 64, 64, 64],  # ours
    "method.encoder_filters": 64,  # set_encoder.py
    "method.film_penalty": 0.001,  # run_cnaps.py
    "method.learning_rate": 0.001,  # the last example of run_cnaps.py: -lr 0.001 -i 20000
    "method.pretrain_iterations": 2000,  # ours
    "method.pretrain_rate": 0.001,  # ours
    "training.iterations": 3250,  # 2000, and 20,000 tasks of 16 a step
    "training.meta_batch": 16,  # tasks_per_batch
    "training.selection": "last",
    "training.patience": 0,
    "testing.tasks": 600,  # NUM_TEST_TASKS
    "testing.best_of_steps": False,
}
OMNIGLOT = CNAPS | {
    "task_source": "image_episodes",
    "tasks.dataset": "omniglot",
    "tasks.class_split": "vinyals-1028-172-423",
    "tasks.rotations": "none",
    "tasks.image_size": 28,
    "method.encoder_blocks": 4,  # five are too many for 28 pixels
}
MINI_IMAGENET = CNAPS | {
    "task_source": "color_episodes",
    "tasks.dataset": "mini-imagenet",
    "tasks.pixels": "unit",
    "tasks.image_size": 84,
    "method.encoder_blocks": 5,  # set_encoder.py
}
# way, shot, query_train and query_test.
HEADS = """tasks.train_ways tasks.train_shots tasks.train_queries
    tasks.test_ways tasks.test_shots tasks.test_queries"""
ONE, FIVE = (5, 1, 10, 5, 1, 10), (5, 5, 10, 5, 5, 10)
VARIANTS = {
    "film": {"method.adaptation": "film"},
    "no-adaptation": {"method.adaptation": "none"},
    "film-auto-regressive": {"method.adaptation": "film-auto-regressive"},
}
OMNIGLOT_CELLS = columns(HEADS, {"omniglot-5way-1shot": ONE, "omniglot-5way-5shot": FIVE})
MINI_CELLS = columns(HEADS, {"mini-imagenet-5way-1shot": ONE, "mini-imagenet-5way-5shot": FIVE})
TABLE = joined(rows(OMNIGLOT, OMNIGLOT_CELLS, VARIANTS), rows(MINI_IMAGENET, MINI_CELLS, VARIANTS))


@pytest.mark.parametrize(("cell", "variant"), lines(TABLE))
def test_the_protocol_is_as_printed(cell, variant):
    assert_protocol("cnaps", cell, variant, TABLE)


def test_every_variant_has_a_row():
    assert_every_variant("cnaps", TABLE)


def method_of(cell, variant, seed=0):
    """A method with the classes that pre-training tells apart."""
    classes = 1028 if cell.startswith("omniglot") else 64
    return published_method("cnaps", cell, variant, seed, {"classes": classes})


def test_both_phases_are_by_torchs_adam():
    method = method_of("omniglot-5way-1shot", "film")
    for optimiser in method.optimisers.values():
        assert type(optimiser).__name__ == "Adam"
        (group,) = optimiser.param_groups
        assert (group["lr"], group["betas"], group["eps"]) == (0.001, (0.9, 0.999), 1e-8)
        assert group["weight_decay"] == 0


# Convolutions and dense layers start as torch's (set_encoder.py, adaptation_networks.py), the
# regularised vectors at deviation 0.001; the extractor He-normal (ours). All FiLM layers have 64.
EXTRACTOR = {
    "extractor.convolutions.[123].weight": normal(math.sqrt(2 / (9 * 64))),
    "extractor.norms.*.weight": 1,
    "extractor.norms.*.running_var": 1,
    "extractor.norms.*.bias": 0,
    "extractor.norms.*.running_mean": 0,
    "extractor.norms.*.num_batches_tracked": 0,
}
CLASSIFIER = {"classifier.*": torch_default(64)}
ENCODER = {
    "encoder.convolutions.[1234].weight": torch_default(9 * 64),
    "encoder.norms.*.scale": 1,
    "encoder.norms.*.offset": 0,
}
FILM = {"films.*.sizes.*": normal(0.001)}
SHARED = FILM | {
    "films.*.shared.0.*": torch_default(64),
    "films.*.networks.*.layer.*": torch_default(64),
}
LOCAL = FILM | {
    "films.*.each.*": torch_default(64),
    "films.*.pooled.*": torch_default(64),
    "films.*.networks.*.0.*": torch_default(128),
    "films.*.networks.*.[!0].layer.*": torch_default(64),
}


def first(inputs):
    """First convolutions, which read the image."""
    return {
        "extractor.convolutions.0.weight": normal(math.sqrt(2 / inputs)),
        "encoder.convolutions.0.weight": torch_default(inputs),
    }


@pytest.mark.parametrize(
    ("cell", "variant", "laws"),
    [
        ("omniglot-5way-1shot", "film", first(9) | ENCODER | SHARED),
        ("omniglot-5way-1shot", "film-auto-regressive", first(9) | ENCODER | LOCAL),
        ("mini-imagenet-5way-5shot", "film", first(27) | ENCODER | SHARED),
    ],
)
def test_networks_start_as_in_the_code(cell, variant, laws):
    weights = drawn(lambda seed: method_of(cell, variant, seed).weights(), 3)
    assert_starts(weights, EXTRACTOR | CLASSIFIER | laws)


def test_the_head_of_pre_training_starts_as_torchs():
    method = method_of("omniglot-5way-1shot", "no-adaptation")
    assert_starts(dict(method.head.named_parameters()), {"*": torch_default(64)})
