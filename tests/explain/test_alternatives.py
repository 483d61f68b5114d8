from __future__ import annotations

import pytest

from harness.catalog import find_cell
from harness.errors import HarnessError
from harness.explain.alternatives import alternatives, chosen, is_evaluation, is_training


@pytest.mark.parametrize(
    ("switch", "test", "training"),
    [
        ("method.test_batch_norm", True, False),
        ("method.batch_norm_test", True, False),
        ("method.inner_loss", False, True),
        ("tasks.test_queries", True, False),
        ("tasks.train_queries", False, True),
        ("tasks.rotations", True, True),
        ("tasks.class_split", False, True),
        ("testing.tasks", True, False),
        ("training.meta_batch", False, True),
        ("budget", False, False),
    ],
)
def test_what_a_switch_touches(switch, test, training):
    assert (is_evaluation(switch), is_training(switch)) == (test, training)


def test_every_value_but_the_own_one_is_an_alternative():
    variant = find_cell("maml/omniglot-5way-1shot").variant("first-order")
    by_switch: dict[str, list[object]] = {}
    for a in alternatives(variant):
        by_switch.setdefault(a.switch, []).append(a.value)
    assert by_switch["method.test_batch_norm"] == [
        "support-only",
        "support-plus-one",
        "one-at-a-time",
        "running",
        "running-queries",
    ]
    assert by_switch["tasks.test_queries"] == [5, 15]
    assert by_switch["tasks.ink"] == ["zero"]
    assert by_switch["tasks.resize_filter"] == ["lanczos"]
    assert "none" in by_switch["tasks.rotations"]
    assert not {"tasks.dataset", "tasks.class_split", "method.inner_loss"} & by_switch.keys()


def test_a_mistyped_switch_is_one_sentence():
    with pytest.raises(HarnessError, match=r"--switch: found 'tasks.inc' \(did you mean 'tasks.i"):
        chosen(["tasks.inc"], ["tasks.ink", "tasks.rotations"], "--switch")
    assert chosen([], ["a", "a", "b"], "--switch") == ["a", "b"]
