"""MAML++'s protocol, and how its networks start: literals beside `paper.toml`.

Source: the authors' configurations (AntreasAntoniou/HowToTrainYourMAMLPytorch, experiment_config/,
omniglot_maml++-omniglot_*_8_0.1_64_* and mini-imagenet_maml++-mini-imagenet_*_2_0.01_48_5_*) and
code at 86964701; for the settings of 2018 the configurations of ff26bcc0 (25 November) and the code
of 801d357c (27 November); for those of two days, 321a5220 (21 October) and 1d872d3f (19 November).
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
from harness.paper_tests.starts import assert_starts, drawn, glorot, normal

EVERYWHERE = {
    "algorithm": "maml-plus-plus",
    "method.order": "second",  # second_order
    "method.steps": 5,  # number_of_training_steps_per_iter and number_of_evaluation_steps_per_iter
    "method.learn_rates": True,  # learnable_per_layer_per_step_inner_loop_learning_rate
    "method.norms_per_step": True,  # per_step_bn_statistics, learnable_bn_gamma and _beta
    "method.epoch": 500,  # total_iter_per_epoch
    "method.first_order_epochs": 0,  # first_order_to_second_order_epoch -1
    "method.meta_rate": 0.001,  # meta_learning_rate
    "method.annealing_epochs": 100,  # total_epochs
    "training.iterations": 50000,
    "training.validate_every": 500,
    "training.validation_tasks": 600,  # num_evaluation_tasks
    "training.selection": "best-validation",
    "training.patience": 0,
    "testing.tasks": 600,
    "testing.best_of_steps": False,
}
OMNIGLOT = EVERYWHERE | {
    "task_source": "image_episodes",
    "tasks.dataset": "omniglot",
    "tasks.class_split": "random-1150-50-423",  # train_val_test_split 0.709, 0.031, 0.261 of 1623
    "tasks.rotations": "train-per-class-in-task",  # data.py
    "tasks.ink": "zero",
    "tasks.image_size": 28,
    "method.filters": 64,  # cnn_num_filters
    "method.inner_rate": 0.1,  # init_inner_loop_learning_rate
    "method.multi_step_epochs": 10,  # multi_step_loss_num_epochs
    "method.meta_rate_end": 0.00001,  # min_learning_rate
    "method.clip_value": 0.0,
    "training.meta_batch": 8,  # batch_size
    "training.validation_metric": "accuracy@5",
}
MINI_IMAGENET = EVERYWHERE | {
    "task_source": "color_episodes",
    "tasks.dataset": "mini-imagenet",
    "tasks.pixels": "imagenet-normalised",
    "tasks.image_size": 84,
    "method.filters": 48,
    "method.inner_rate": 0.01,
    "method.multi_step_epochs": 15,
    "method.meta_rate_end": 0.001,
    "method.clip_value": 10.0,  # few_shot_learning_system.py, meta_update
    "training.meta_batch": 2,
}
# num_classes_per_set, num_samples_per_class, num_target_samples.
HEADS = """tasks.train_ways tasks.train_shots tasks.train_queries
    tasks.test_ways tasks.test_shots tasks.test_queries"""
OMNIGLOT_CELLS = columns(
    HEADS,
    {
        "omniglot-5way-1shot": (5, 1, 1, 5, 1, 1),
        "omniglot-5way-5shot": (5, 5, 1, 5, 5, 1),
        "omniglot-20way-1shot": (20, 1, 1, 20, 1, 1),
        "omniglot-20way-5shot": (20, 5, 1, 20, 5, 1),
    },
)
MINI_CELLS = columns(
    HEADS,
    {
        "mini-imagenet-5way-1shot": (5, 1, 15, 5, 1, 15),
        "mini-imagenet-5way-5shot": (5, 5, 15, 5, 5, 15),
    },
)
MAML = {
    "method.learn_rates": False,
    "method.norms_per_step": False,
    "method.multi_step_epochs": 0,  # use_multi_step_loss_optimization false
    "method.meta_rate_end": 0.001,  # not confirmed: README
}
BOTH = {"maml-plus-plus": {}, "maml": MAML}
ABLATION = {
    "multi-step-loss": MAML | {"method.multi_step_epochs": 10},
    "learned-rates": MAML | {"method.learn_rates": True},
    "norms-per-step": MAML | {"method.norms_per_step": True},
    "cosine-annealing": MAML | {"method.meta_rate_end": 0.00001},
    "order-annealing": MAML | {"method.first_order_epochs": 50},  # not confirmed: README
}
# Without their own rate the configurations get task_learning_rate's default.
CODE_RATE = {"maml-plus-plus-code-rate": {"method.inner_rate": 0.1}}
STEPS = {
    name: {"method.steps": n, "training.validation_metric": f"accuracy@{n}"}
    for n, name in enumerate(
        [
            "maml-plus-plus-1step",
            "maml-plus-plus-2steps",
            "maml-plus-plus-3steps",
            "maml-plus-plus-4steps",
        ],
        1,
    )
}
# ff26bcc0: evaluated_test_set_using_the_best_models(top_n_models=3); batch_size;
# first_order_to_second_order_epoch 10, and second order where epoch > 10.
ENSEMBLE = {"training.selection": "ensemble-of-best-3"}
OF_16, OF_4 = {"training.meta_batch": 16}, {"training.meta_batch": 4}
FIRST_ORDER = {"method.first_order_epochs": 11}


def in_2018(variants, changed):
    """Rows of the settings of 2018."""
    return {f"{name}-2018": row | ENSEMBLE | changed for name, row in variants.items()}


def cell(table, *names):
    """Some cells of a table."""
    return {name: table[name] for name in names}


TWENTY_ONE = cell(OMNIGLOT_CELLS, "omniglot-20way-1shot")
TWENTY_FIVE = cell(OMNIGLOT_CELLS, "omniglot-20way-5shot")
FIVE_WAY = cell(OMNIGLOT_CELLS, "omniglot-5way-1shot", "omniglot-5way-5shot")
MINI_ONE = cell(MINI_CELLS, "mini-imagenet-5way-1shot")
MINI_FIVE = cell(MINI_CELLS, "mini-imagenet-5way-5shot")


def batches_of(n):
    """`get_val_batches(total_batches=total_iter_per_epoch)`: 500 of `n` tasks."""
    return {
        "training.meta_batch": n,
        "training.validation_tasks": 500 * n,
        "testing.tasks": 500 * n,
    }


FIRST_NETWORK = {
    "algorithm": "maml-plus-plus-first-network",
    "training.selection": "best-validation",
    "method.meta_rate_end": 0.00001,  # min_learning_rate
}
OCTOBER = FIRST_NETWORK | {
    "training.iterations": 75000,  # total_epochs 150
    "method.annealing_epochs": 150,
    "method.inner_rate": 0.1,  # task_learning_rate -1
    "method.first_order_epochs": 80,
    "method.multi_step_epochs": 15,  # decay_rate
    "method.multi_step_stays": True,
    "method.start": "glorot-normal",
    "method.rectified_input": True,
}
NOVEMBER = FIRST_NETWORK | {
    "training.iterations": 125000,  # total_epochs 250
    "method.annealing_epochs": 250,
    "method.first_order_epochs": 0,
    "method.multi_step_epochs": 20,
    "method.multi_step_stays": False,
    "method.start": "normal",
    "method.rectified_input": False,
}
MINI_OCTOBER = OCTOBER | {"method.filters": 32, "tasks.pixels": "unit"}
MINI_NOVEMBER = NOVEMBER | {"method.filters": 32, "method.multi_step_epochs": 50}


def of_two_days(october, november, n):
    """Rows of the settings of two days."""
    return {
        "maml-plus-plus-2018-10-21": october | batches_of(n),
        "maml-plus-plus-2018-11-19": november | batches_of(n),
    }


TABLE = joined(
    rows(OMNIGLOT, FIVE_WAY, in_2018(BOTH, OF_16)),
    rows(OMNIGLOT, TWENTY_ONE, in_2018(BOTH | ABLATION, OF_16)),
    rows(OMNIGLOT, TWENTY_FIVE, in_2018(BOTH, {})),
    rows(MINI_IMAGENET, MINI_ONE, in_2018(BOTH | STEPS, OF_4 | FIRST_ORDER)),
    rows(MINI_IMAGENET, MINI_FIVE, in_2018(BOTH, FIRST_ORDER)),
    rows(OMNIGLOT, OMNIGLOT_CELLS, of_two_days(OCTOBER, NOVEMBER, 16)),
    rows(MINI_IMAGENET, MINI_ONE, of_two_days(MINI_OCTOBER, MINI_NOVEMBER, 4)),
    rows(MINI_IMAGENET, MINI_FIVE, of_two_days(MINI_OCTOBER, MINI_NOVEMBER, 2)),
    rows(
        OMNIGLOT,
        TWENTY_ONE,
        {"maml-plus-plus-ensemble": {"training.selection": "ensemble-of-best-5"}},
    ),
    rows(OMNIGLOT, OMNIGLOT_CELLS, BOTH),
    rows(OMNIGLOT, TWENTY_ONE, ABLATION),
    rows(MINI_IMAGENET, MINI_CELLS, BOTH | CODE_RATE),
    rows(MINI_IMAGENET, MINI_ONE, STEPS),
)


@pytest.mark.parametrize(("cell", "variant"), lines(TABLE))
def test_the_protocol_is_as_printed(cell, variant):
    assert_protocol("maml_plus_plus", cell, variant, TABLE)


def test_every_variant_has_a_row():
    assert_every_variant("maml_plus_plus", TABLE)


def method_of(cell, variant, seed=0):
    return published_method("maml_plus_plus", cell, variant, seed)


AT_50_AND_100_OF_250 = (0.000905463, 0.000657963)


@pytest.mark.parametrize(
    ("cell", "variant", "rates", "clip"),
    [
        # Of Adam in the first epoch, halfway and in the last one.
        ("omniglot-5way-1shot", "maml-plus-plus", (0.001, 0.000505, 0.00001), 0.0),
        ("omniglot-20way-1shot", "maml", (0.001, 0.001, 0.001), 0.0),
        ("mini-imagenet-5way-1shot", "maml-plus-plus", (0.001, 0.001, 0.001), 10.0),
        # Annealed over 250 epochs: 1 + cos(pi / 5) and 1 + cos(2 pi / 5) halves of the way.
        (
            "mini-imagenet-5way-1shot",
            "maml-plus-plus-2018-11-19",
            (0.001, *AT_50_AND_100_OF_250),
            10.0,
        ),
    ],
)
def test_the_outer_loop_is_run_with_these_numbers(cell, variant, rates, clip):
    method = method_of(cell, variant)
    assert type(method.optimiser).__name__ == "Adam"
    (group,) = method.optimiser.param_groups
    assert (group["betas"], group["eps"], group["weight_decay"]) == ((0.9, 0.999), 1e-8, 0)
    scheduled = tuple(method.learning_rate(i) for i in (0, 25_000, 50_000))
    assert scheduled == pytest.approx(rates)
    assert method.cut.clip_value == clip


# meta_neural_network_architectures.py: xavier_uniform_, biases 0, scales 1 and offsets 0.
def network(channels, filters, features, ways):
    """Laws of the convolutional network."""
    return {
        "convolutions.0.weight": glorot(9 * channels, 9 * filters),
        "convolutions.[123].weight": glorot(9 * filters, 9 * filters),
        "head.weight": glorot(features, ways),
        "convolutions.*.bias": 0,
        "head.bias": 0,
        "norms.*.weight": 1,
        "norms.*.bias": 0,
    }


def october(channels, filters):
    """Laws of 21 October 2018."""
    return network(channels, filters, 64, 5) | {
        "convolutions.0.weight": normal(math.sqrt(2 / (9 * (channels + filters)))),
        "convolutions.[123].weight": normal(math.sqrt(2 / (18 * filters))),
        "head.weight": normal(1.0),
    }


def november(channels, filters):
    """Laws of 19 November 2018."""
    return network(channels, filters, 64, 5) | {
        "convolutions.0.weight": normal(1.0),
        "convolutions.[123].weight": normal(1.0),
        "head.weight": 1,
    }


@pytest.mark.parametrize(
    ("cell", "variant", "laws", "rate"),
    [
        ("omniglot-5way-1shot", "maml-plus-plus", network(1, 64, 64, 5), 0.1),
        ("omniglot-20way-5shot", "maml", network(1, 64, 64, 20), 0.1),
        ("mini-imagenet-5way-1shot", "maml-plus-plus", network(3, 48, 1200, 5), 0.01),
        ("mini-imagenet-5way-5shot", "maml-plus-plus-code-rate", network(3, 48, 1200, 5), 0.1),
        # xavier_normal_ and normal_; normal_ and ones.
        ("omniglot-5way-1shot", "maml-plus-plus-2018-10-21", october(1, 64), 0.1),
        ("omniglot-5way-1shot", "maml-plus-plus-2018-11-19", november(1, 64), 0.1),
    ],
)
def test_networks_and_rates_start_as_in_the_code(cell, variant, laws, rate):
    weights = drawn(lambda seed: method_of(cell, variant, seed).weights(), 2)
    rates = {name: weights.pop(name) for name in list(weights) if name.startswith("rate:")}
    assert_starts(weights, laws)
    # One for each tensor of convolutions and head and each of five steps; none of batch norm's.
    assert {name.rpartition(".")[0] for name in rates} == {
        "rate:head",
        *(f"rate:convolutions.{i}" for i in range(4)),
    }
    for entries in rates.values():
        assert entries.shape[:2] == (2, 5)
        assert entries.flatten().tolist() == pytest.approx([rate] * 10)
