from __future__ import annotations

import pytest
import torch

from harness.paper_tests.protocol_tables import (
    assert_every_variant,
    assert_protocol,
    columns,
    joined,
    lines,
    published_variant,
    rows,
)
from harness.paper_tests.published_methods import published_method
from harness.paper_tests.smoke_plans import smoke_method

GLYPHS = {"tasks.dataset": "glyphs"}


def test_rows_are_what_all_share_then_the_cell_then_the_variant():
    cells = columns("a.x a.y", {"one": (1, 2), "two": (3, 4)})
    table = rows({"a.x": 0, "a.z": 5}, cells, {"p": {}, "q": {"a.y": 6}})
    assert table["one"] == {
        "p": {"a.x": 1, "a.y": 2, "a.z": 5},
        "q": {"a.x": 1, "a.y": 6, "a.z": 5},
    }
    assert lines(table) == [("one", "p"), ("one", "q"), ("two", "p"), ("two", "q")]
    more = joined(table, {"one": {"r": {}}, "three": {"p": {}}})
    assert lines(more) == [*lines(table)[:2], ("one", "r"), *lines(table)[2:], ("three", "p")]
    with pytest.raises(AssertionError, match="one/p: found two rows"):
        joined(table, {"one": {"p": {}}})
    with pytest.raises(ValueError, match="shorter"):
        columns("a.x a.y", {"one": (1,)})


def test_another_value_and_a_switch_that_is_gone_are_named():
    cell, name = "sinusoid-5shot", "maml"
    right = {"algorithm": "maml", "method.hidden": (40, 40), "training.meta_batch": 25}
    assert_protocol("maml", cell, name, {cell: {name: right}})
    wrong = right | {"training.meta_batch": 8, "method.gone": 1}
    with pytest.raises(AssertionError) as caught:
        assert_protocol("maml", cell, name, {cell: {name: wrong}})
    said = "maml/sinusoid-5shot/maml: (found, wanted) {'training.meta_batch': (25, 8), "
    assert said + "'method.gone': (None, 1)}" in str(caught.value)


def test_a_variant_without_a_row_is_named_and_so_is_a_row_without_one():
    table = {"copy": {"ntm-lstm": {}}, "elsewhere": {"x": {}}}
    with pytest.raises(AssertionError, match=r"\('copy', 'lstm'\).* have no row in the table"):
        assert_every_variant("ntm", table)
    whole = {"copy": {name: {} for name in ("ntm-lstm", "ntm-feedforward", "lstm")}}
    whole["copy-500k"] = dict(whole["copy"])
    whole["copy"]["ntm-lstm-as-pytorch-ntm"] = {}
    assert_every_variant("ntm", whole)
    with pytest.raises(AssertionError, match=r"\[\('elsewhere', 'x'\)\] have a row, but there are"):
        assert_every_variant("ntm", whole | {"elsewhere": {"x": {}}})


def test_overrides_reach_the_variant():
    assert published_variant("maml", "sinusoid-5shot", "maml").method.inner_rate == 0.01
    changed = published_variant("maml", "sinusoid-5shot", "maml", method__inner_rate=0.5)
    assert changed.method.inner_rate == 0.5


@pytest.mark.parametrize(
    ("paper", "cell", "variant", "changed"),
    [
        ("maml", "sinusoid-5shot", "oracle", {}),
        ("maml", "omniglot-20way-1shot", "second-order", GLYPHS),
        ("mann", "strings-5class", "mann", GLYPHS),
        ("reptile", "omniglot-5way-1shot", "reptile", GLYPHS),
    ],
)
def test_a_method_built_without_data_is_that_of_a_run(paper, cell, variant, changed):
    bare = published_method(paper, cell, variant).weights()
    real = smoke_method(f"{paper}/{cell}", variant, changed)[0].weights()
    assert bare.keys() == real.keys()
    assert all(torch.equal(w, real[name]) for name, w in bare.items())
