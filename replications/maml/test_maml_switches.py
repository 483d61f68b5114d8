"""Each switch of MAML and of the sinusoid baselines is seen where it works, and nowhere else."""

from __future__ import annotations

import pytest

from harness.paper_tests.smoke_plans import smoke_method
from harness.paper_tests.switch_effects import (
    AFTER,
    TESTING,
    THROUGHOUT,
    TRAINING,
    WEIGHTS,
    assert_seen,
    maker,
    switch_names,
    where_seen,
)
from replications.maml.baselines import MultiTaskSettings, PretrainedSettings
from replications.maml.method import ClippedSettings
from replications.maml.to_criterion import ToCriterionSettings

OMNIGLOT, MINI, SINES = (
    f"maml/{c}" for c in ("omniglot-5way-1shot", "mini-imagenet-5way-1shot", "sinusoid-5shot")
)
GLYPHS = {
    "tasks.dataset": "glyphs",
    "training.validation_metric": "accuracy@1",
    "method.test_steps": 1,
}
TEXTURES = GLYPHS | {
    "tasks.dataset": "textures",
    "tasks.image_size": 16,
    "tasks.resize_filter": "none",
}
SEEN = {
    "network": (THROUGHOUT, ()),
    "hidden": (THROUGHOUT, ([4] * 4, [5] * 4)),
    "order": (TRAINING, ()),
    "inner_steps": (TRAINING, (1, 2)),
    "inner_rate": (THROUGHOUT, (0.1, 0.2)),
    "inner_loss": (THROUGHOUT, ()),
    "meta_rate": (TRAINING, (1e-3, 1e-2)),
    "test_steps": (TESTING, (1, 2)),
    "test_batch_norm": (TESTING, ()),
}
"""Where each switch is seen; with its values, where they are not choices by name."""
BASELINES = {
    "hidden": (THROUGHOUT, ([8], [9])),
    "learning_rate": (TRAINING, (1e-3, 1e-2)),
    "test_rates": (
        TESTING | {WEIGHTS},
        ([0.01], [0.02]),
    ),  # the chosen one is kept with the weights
    "test_steps": (TESTING, (1, 2)),
}
MULTI_TASK = BASELINES | {
    "steps_per_network": (TRAINING, (2, 4)),
    "minibatch": (TRAINING, (5, 10)),
    "regularisation": (TRAINING, ()),
    "strength": (TRAINING, (0.1, 1.0)),
}
TO_CRITERION = {
    "start": (TRAINING, ()),  # of networks that a training makes: `weights()` has the average
    # Of a network that has ended the loss goes on as before while others of its group train.
    "criterion": (frozenset({WEIGHTS, AFTER}), (1e-9, 100.0)),
    "looked_at_every": (frozenset({WEIGHTS, AFTER}), (0, 1)),
}


@pytest.mark.parametrize("switch", sorted(SEEN))
def test_each_switch_is_seen_where_it_works(switch):
    _, tasks = smoke_method(OMNIGLOT, "second-order", GLYPHS, tasks__train_queries=5)
    steps, test = [tasks.batch("train", 2 * i, 2) for i in range(3)], tasks.batch("train", 50, 20)
    make = maker(OMNIGLOT, "second-order", GLYPHS, "func", hidden=[4] * 4, inner_rate=0.1)

    def calibrated(**changed):
        method = make(**changed)
        if method.calibration_tasks:
            method.calibrate(tasks.batch("train", 10, 5))
        return method

    assert_seen(SEEN, ClippedSettings, switch, calibrated, steps, test)


def test_batch_norm_of_the_mlp_is_seen_throughout():
    _, tasks = smoke_method(OMNIGLOT, "second-order", GLYPHS)
    steps, test = [tasks.batch("train", 2 * i, 2) for i in range(2)], tasks.batch("train", 50, 20)
    make = maker(OMNIGLOT, "second-order", GLYPHS, "func", network="mlp", hidden=[8])
    assert where_seen(make, "batch_norm", (False, True), steps, test) == {THROUGHOUT}


def test_clipping_is_seen_in_training():
    _, tasks = smoke_method(MINI, "second-order", TEXTURES, tasks__train_queries=3)
    steps, test = [tasks.batch("train", 2 * i, 2) for i in range(3)], tasks.batch("train", 50, 10)
    make = maker(MINI, "second-order", TEXTURES, "func", hidden=[4] * 4, meta_rate=0.1)
    assert where_seen(make, "outer_clip", (1e-9, 10.0), steps, test) == {TRAINING}


def test_every_switch_is_tried():
    # `loss` goes with the kind of tasks: test_maml.py has what is refused.
    assert {*SEEN, "batch_norm", "outer_clip", "loss"} == set(switch_names(ClippedSettings))
    tuned = "test_tuned_at_step"  # test_maml.py has the choice on validation tasks
    assert {*BASELINES, tuned} == set(switch_names(PretrainedSettings))
    assert {*MULTI_TASK, tuned} == set(switch_names(MultiTaskSettings))
    assert {*MULTI_TASK, *TO_CRITERION, tuned} == set(switch_names(ToCriterionSettings))


@pytest.mark.parametrize(
    ("variant", "switch"),
    [
        *[("pretrained", s) for s in BASELINES],
        *[("multi-task", s) for s in MULTI_TASK],
        *[("multi-task-criterion", s) for s in TO_CRITERION],
    ],
)
def test_each_switch_of_a_baseline_is_seen_where_it_works(variant, switch):
    seen = BASELINES if variant == "pretrained" else MULTI_TASK | TO_CRITERION
    small = {"training.validation_metric": "mse@1", "tasks.train_shots": 20}
    _, tasks = smoke_method(SINES, variant, small)
    first = tasks.batch("train", 0, 4)
    own = {"hidden": [8], "test_steps": 1, "test_tuned_at_step": 1}
    if variant == "multi-task-criterion":
        own |= {"criterion": 100.0, "looked_at_every": 1}
    if variant != "pretrained":
        own |= {"steps_per_network": 2, "minibatch": 5, "regularisation": "l2", "strength": 0.1}
    make = maker(SINES, variant, small, **own)
    assert_seen(seen, ToCriterionSettings, switch, make, [first] * 4, tasks.batch("val", 0, 20))
