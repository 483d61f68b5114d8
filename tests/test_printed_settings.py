"""Which variants answer to printed numbers: settings of the paper, and no number twice."""

from __future__ import annotations

import pytest

from harness.catalog import papers

LINES = [line for paper in papers().values() for c in paper.cells.values() for line in c.published]
# Settings of ports, of ours, younger than the paper, or fitted to the figure.
NOT_PRINTED = [
    ("maml", "second-order-mean-loss"),
    ("reptile", "reptile-fresh-adam"),
    ("reptile", "first-order-maml"),
    ("maml_plus_plus", "maml-plus-plus"),
    ("maml_plus_plus", "maml"),
    ("maml_plus_plus", "maml-plus-plus-code-rate"),
    ("maml_plus_plus", "maml-plus-plus-2018-10-21"),
    ("maml_plus_plus", "maml-plus-plus-2018-11-19"),
    ("matching", "cosine-scaled"),
    ("learned_optimizer", "sgd-figure-rate"),
    ("mann", "mann-rmsprop"),
    ("mann", "lstm-adam"),
]


@pytest.mark.parametrize(("paper", "variant"), NOT_PRINTED)
def test_settings_that_no_paper_prints_answer_to_no_number(paper, variant):
    assert any(variant in cell.variants for cell in papers()[paper].cells.values())
    assert not [line for line in LINES if line.paper == paper and variant in line.variants]


def test_no_number_is_judged_twice():
    judged = [
        (x.paper, x.cell, variant, x.metric, x.value, x.source.partition(" (")[0])
        for x in LINES
        for variant in x.variants
    ]
    assert sorted({key for key in judged if judged.count(key) > 1}) == []
