"""Protocol of Baseline and Baseline++, and how their networks start: literals beside `paper.toml`.

Source: the authors' code (wyharveychen/CloserLookFewShot, master). Of `nearest-neighbour-ravi`: the
code of Ravi and Larochelle (twitter-research/meta-learning-lstm,
config/baselines/train-conv-nearest-neighbor.lua).
"""

from __future__ import annotations

import math

import pytest
import torch

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
from replications.closer_look.heads import new_head

BASELINE = {
    "task_source": "labelled_images",
    "algorithm": "baseline",
    "tasks.dataset": "mini-imagenet",
    "tasks.pixels": "imagenet-normalised",  # data/datamgr.py, as the next five
    "tasks.image_size": 84,
    "tasks.train_least_area": 0.08,  # RandomSizedCrop
    "tasks.train_flip": True,
    "tasks.train_jitter": 0.4,
    "tasks.test_centre_share": 0.875,  # 84 of int(84 * 1.15) = 96
    "tasks.test_ways": 5,  # io_utils.py, test_n_way
    "tasks.test_queries": 15,  # test.py
    "method.classifier": "linear",
    "method.outputs": 200,  # io_utils.py, num_classes
    "method.cosine_scale": 2.0,  # backbone.py, scale_factor up to 200 outputs
    "method.filters": 64,  # backbone.py, ConvNet
    "method.learning_rate": 0.001,  # torch.optim.Adam(model.parameters())
    "method.test_head": "linear",
    "method.test_epochs": 100,  # methods/baselinefinetune.py, as the next five
    "method.test_batch": 4,
    "method.test_rate": 0.01,
    "method.test_momentum": 0.9,
    "method.test_dampening": 0.9,
    "method.test_weight_decay": 0.001,
    "training.iterations": 960000,  # train.py: 400 epochs of 38,400 images, 16 at once
    "training.meta_batch": 16,
    "training.selection": "last",  # baselinetrain.py, DBval: the baselines are not validated
    "training.patience": 0,
    "testing.tasks": 600,  # test.py, iter_num
    "testing.best_of_steps": False,
}
RAVI = {
    "tasks.pixels": "unit",
    "tasks.train_least_area": 1.0,
    "tasks.train_flip": False,
    "tasks.train_jitter": 0.0,
    "tasks.test_centre_share": 1.0,
    "method.outputs": 64,  # nClasses.train
    "method.test_head": "nearest-neighbour",
    "training.iterations": 30000,  # nEpochs
    "training.meta_batch": 64,  # trainBatchSize
}
CELLS = {
    "mini-imagenet-5way-1shot": {"tasks.test_shots": 1},
    "mini-imagenet-5way-5shot": {"tasks.test_shots": 5},
}
VARIANTS = {
    "baseline": {},
    "baseline-plus-plus": {"method.classifier": "cosine", "method.test_head": "cosine"},
    "nearest-neighbour": {"method.test_head": "nearest-neighbour"},
    "nearest-neighbour-ravi": RAVI,
}
TABLE = rows(BASELINE, CELLS, VARIANTS)


@pytest.mark.parametrize(("cell", "variant"), lines(TABLE))
def test_the_protocol_is_as_printed(cell, variant):
    assert_protocol("closer_look", cell, variant, TABLE)


def test_every_variant_has_a_row():
    assert_every_variant("closer_look", TABLE)


def method_of(variant, seed=0):
    """A method of the 1-shot cell, with the 64 classes of training."""
    shapes = {"classes": 64}
    return published_method("closer_look", "mini-imagenet-5way-1shot", variant, seed, shapes)


@pytest.mark.parametrize("variant", VARIANTS)
def test_training_is_by_torchs_adam(variant):
    method = method_of(variant)
    assert type(method.optimiser).__name__ == "Adam"
    (group,) = method.optimiser.param_groups
    assert (group["lr"], group["betas"], group["eps"]) == (0.001, (0.9, 0.999), 1e-8)
    assert group["weight_decay"] == 0
    trained = {id(p) for p in (*method.encoder.parameters(), *method.head.values())}
    assert {id(p) for p in group["params"]} == trained


# backbone.py, init_layer: variance 2 over 9 times the filters that come out. Biases of convolutions
# and the classifier's weights are torch's own; baselinetrain.py sets the classifier's bias to 0.
ENCODER = {
    "encoder.blocks.*.convolution.weight": normal(math.sqrt(2 / (9 * 64))),
    "encoder.blocks.0.convolution.bias": torch_default(27),
    "encoder.blocks.[123].convolution.bias": torch_default(9 * 64),
    "encoder.blocks.*.norm.weight": 1,
    "encoder.blocks.*.norm.bias": 0,
    "encoder.blocks.*.running_mean": 0,
    "encoder.blocks.*.running_var": 1,
    "encoder.blocks.*.num_batches_tracked": 0,
}


def test_the_baseline_starts_as_in_the_code():
    weights = drawn(lambda seed: method_of("baseline", seed).weights(), 7)
    laws = {"head.weight": torch_default(1600), "head.bias": 0}
    assert_starts(weights, ENCODER | laws)


def test_the_cosine_classifier_starts_as_a_linear_one_with_its_own_lengths():
    weights = drawn(lambda seed: method_of("baseline-plus-plus", seed).weights(), 7)
    lengths = weights.pop("head.length")
    torch.testing.assert_close(lengths, weights["head.direction"].norm(dim=-1, keepdim=True))
    assert_starts(weights, ENCODER | {"head.direction": torch_default(1600)})


def test_classifiers_of_test_tasks_start_as_torchs():
    head = new_head("linear", 5, 1600, torch.Generator().manual_seed(0))
    assert_law(head["weight"], uniform(1 / 40), "weight")
    biases = [
        new_head("linear", 5, 1600, torch.Generator().manual_seed(s))["bias"] for s in range(80)
    ]
    assert_law(torch.cat(biases), uniform(1 / 40), "bias")
